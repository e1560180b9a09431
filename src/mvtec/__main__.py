"""`python -m mvtec` is the command `mvtec`."""

from mvtec.cli.main import main

if __name__ == "__main__":
    main()
