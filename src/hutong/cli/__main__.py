"""``python -m hutong.cli`` is the command ``hutong``."""

from hutong.cli.main import main

if __name__ == "__main__":
    main()
