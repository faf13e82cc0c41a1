"""`python -m algstack` is `algstack`."""

from algstack.cli import main

if __name__ == "__main__":
    main()
