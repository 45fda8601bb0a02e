"""In a real browser the shell's controls do what they say, under its content policy (an error on the console fails each test)."""


async def test_the_chosen_theme_and_language_stay(page_as):
    page = await page_as("office")
    await page.goto("/places")
    await page.click("[data-theme-toggle]")
    chosen = await page.evaluate("document.documentElement.className.trim()")
    assert chosen in ("theme-light", "theme-dark")
    await page.click("[data-language=zh]")
    await page.wait_for_selector("html[lang=zh-Hans-CN]")
    await page.goto("/docs")
    assert await page.evaluate("document.documentElement.lang") == "zh-Hans-CN"
    assert await page.evaluate("document.documentElement.className.trim()") == chosen


async def test_signing_out_from_the_menu_ends_the_session(page_as):
    page = await page_as("office")
    await page.goto("/places")
    await page.click("[data-menu] summary")
    await page.click("[data-menu] form button")
    await page.wait_for_url("**/sign-in*")
    await page.goto("/places")
    assert "/sign-in?next=%2Fplaces" in page.url


async def test_no_page_is_wider_than_a_small_phone(page_as):
    page = await page_as("office")
    await page.set_viewport_size({"width": 360, "height": 740})
    for address in ("/places", "/docs", "/account", "/directory/stores", "/directory/people", "/directory/keys", "/directory/audit"):
        await page.goto(address)
        assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, address
