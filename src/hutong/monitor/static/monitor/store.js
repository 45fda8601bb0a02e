/** The store's page needs nothing beyond what all pages share. */

import { startPage } from "./page.js";

startPage();
