"""`dealfolio`, as it is installed. The rest takes half a second to load: time to stop it again."""

import sys


def main() -> None:
    try:
        from api.cli import main as run  # noqa: PLC0415 - what takes so long
    except KeyboardInterrupt:
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
