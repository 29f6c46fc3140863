"""``madance view``: motions in 3D, in a page that opens from a file."""

from __future__ import annotations

from pathlib import Path

import click

from madata.commands.options import PATH, out_option

__all__ = ["view"]


@click.command(short_help="Motions in 3D, in a page that opens from a file.")
@click.argument("files", nargs=-1, required=True, type=PATH)
@out_option("Page to write [default: the first file's name with .html].", required=False)
@click.option("--music", type=PATH, help="Sound that starts with the first frame; its beats are marked.")
@click.option("--title", default="", help="Title of the page [default: names of the files].")
def view(files: tuple[Path, ...], out: Path | None, music: Path | None, title: str) -> None:
    """Show FILES (motions of any format that is read) together in one page, without network.

    Drag to look from another side; several dancers stand on one floor and begin at one place.
    """
    from madata.errors import MissingDependencyError
    from madata.formats import stem_of
    from madata.motion.viewer import write_viewer

    names = [stem_of(path) for path in files]
    if len(set(names)) < len(names):
        names = [f"{path.parent.name}/{name}" for path, name in zip(files, names, strict=True)]
    if len(set(names)) < len(names):
        names = [f"{number} {name}" for number, name in enumerate(names, 1)]
    beats: list[float] = []
    if music is not None and music.is_file():
        try:
            from madata.music import track_beats
            from madata.video.audio import read_audio

            beats = [float(time) for time in track_beats(read_audio(music)).times_s]
        except (ImportError, MissingDependencyError):
            click.echo(
                "beats are not marked: librosa is not installed (pip install 'madance[score]')", err=True
            )
    page = write_viewer(
        dict(zip(names, files, strict=True)),
        out or Path(f"{stem_of(files[0])}.html"),
        music=music,
        beats_s=beats,
        title=title,
    )
    click.echo(str(page))
