"""Files of recordings: every kind is read back as it was written, and hostile ones are refused with a reason."""

from __future__ import annotations

import datetime
import io
import os
import pickle
import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from medplug.core.errors import ConfigError
from medplug.core.signals import reading
from medplug.core.signals.formats import is_signal_name, read_raw, read_signal
from medplug.core.signals.reading import Raw, SignalError, signal_of

SHARED = Path(os.environ.get("MEDPLUG_SHARED") or Path(__file__).parents[4] / "shared") / "data"


def waves(channels: int = 3, samples: int = 200) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(channels, samples)).astype(np.float32)


def write_edf(path: Path, samples: NDArray[Any], rates: list[float], **options: Any) -> Path:
    edfio = pytest.importorskip("edfio", reason="edfio is not installed (the extra signals)")
    kind, file = (edfio.BdfSignal, edfio.Bdf) if path.suffix == ".bdf" else (edfio.EdfSignal, edfio.Edf)
    made = [kind(channel.astype(np.float64), rate) for channel, rate in zip(samples, rates, strict=True)]
    file(made, **options).write(path)
    return path


def write_wfdb(folder: Path, samples: NDArray[Any], name: str = "r1", **options: Any) -> Path:
    wfdb = pytest.importorskip("wfdb", reason="wfdb is not installed (the extra signals)")
    count = len(samples)
    names = [f"c{i}" for i in range(count)]
    given = {"units": ["mV"] * count, "sig_name": names, "fmt": ["16"] * count, "write_dir": str(folder), **options}
    with warnings.catch_warnings():  # of the writer's own, about pandas
        warnings.simplefilter("ignore")
        wfdb.wrsamp(name, fs=125, p_signal=samples.T.astype(np.float64), **given)
    return folder / f"{name}.hea"


def test_arrays_come_back(tmp_path: Path) -> None:
    samples = waves()
    np.save(tmp_path / "a.npy", samples)
    np.savez(tmp_path / "b.npz", signal=samples, rate=250.0, age=np.array([40, 41]))
    np.savez_compressed(tmp_path / "c.npz", anything=np.asfortranarray(samples.astype(np.float64)), fs=[100])
    for name, rate in (("a.npy", None), ("b.npz", 250.0), ("c.npz", 100.0)):
        found = read_signal(tmp_path / name)
        assert found.rate == rate and found.samples.dtype == np.float32
        np.testing.assert_array_equal(found.samples, samples)
    assert read_signal(tmp_path / "a.npy", rate=50).rate == 50.0
    assert read_signal(tmp_path / "b.npz", rate=50).rate == 250.0  # the file knows better
    np.save(tmp_path / "one.npy", samples[0])
    assert read_signal(tmp_path / "one.npy").samples.shape == (1, 200)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "I,II\n1,10\n2.5,-20\n3e0,30\n"),
        ("b.csv", "1,10\n2.5,-20\n3,30\n"),
        ("c.csv", "time;I;II\n0;1,0;10\n1;2,5;-20\n2;3,0;30\n"),
        ("d.tsv", "I\tII\tnote\n1\t10\ta\n2.5\t-20\tb\n3\t30\tc\n"),
        ("e.txt", "# made by a device\n  1   10\n  2.5 -20\n 3  30\n"),
        ("f.csv", ",I,II\r\n0,1,10\r\n1,2.5,-20\r\n2,3,30\r\n"),
        (
            "g.arff",
            "@RELATION x\n@ATTRIBUTE I NUMERIC\n@ATTRIBUTE II REAL\n@ATTRIBUTE s {a,b}\n"
            "@DATA\n1,10,a\n2.5,-20,b\n3,30,a\n",
        ),
    ],
)
def test_tables_come_back_a_column_a_channel(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_bytes(text.encode())
    np.testing.assert_array_equal(read_signal(tmp_path / name).samples, [[1, 2.5, 3], [10, -20, 30]])


@pytest.mark.parametrize("ending", [".edf", ".bdf"])
def test_edf_and_bdf_come_back(tmp_path: Path, ending: str) -> None:
    samples = waves()
    path = write_edf(tmp_path / f"a{ending}", samples, [100.0] * 3)
    found = read_signal(path)
    assert found.rate == 100.0
    np.testing.assert_allclose(found.samples, samples, atol=1e-3)


def test_of_a_record_nothing_is_kept_but_numbers(tmp_path: Path) -> None:
    edfio = pytest.importorskip("edfio", reason="edfio is not installed (the extra signals)")
    patient = edfio.Patient(name="Doe", birthdate=datetime.date(1950, 1, 1))
    path = write_edf(tmp_path / "a.edf", waves(), [100.0] * 3, patient=patient)
    assert b"Doe" in path.read_bytes() and set(read_raw(path)._fields) == {"numbers", "rate"}
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(SignalError) as told:
        read_signal(path)
    assert "Doe" not in str(told.value) and told.value.__cause__ is None


def test_wfdb_comes_back_by_any_of_its_names(tmp_path: Path) -> None:
    samples = waves()
    write_wfdb(tmp_path, samples, comments=["age: 81"])
    for name in ("r1.hea", "r1.dat", "r1"):
        found = read_signal(tmp_path / name)
        assert found.rate == 125.0
        np.testing.assert_allclose(found.samples, samples, atol=1e-3)


def test_channels_of_different_rates_are_refused(tmp_path: Path) -> None:
    edfio = pytest.importorskip("edfio", reason="edfio is not installed (the extra signals)")
    made = [edfio.EdfSignal(np.sin(np.arange(2.0 * rate)), rate) for rate in (100.0, 10.0)]
    edfio.Edf(made).write(tmp_path / "a.edf")
    with pytest.raises(SignalError, match=r"different rates \(10, 100 a second\)"):
        read_signal(tmp_path / "a.edf")


@pytest.mark.parametrize("ending", [".edf", ".bdf"])
def test_a_cut_off_edf_is_refused(tmp_path: Path, ending: str) -> None:
    path = write_edf(tmp_path / f"a{ending}", waves(), [100.0] * 3)
    whole = path.read_bytes()
    for kept in (3, 300, 1100, len(whole) - 7):
        path.write_bytes(whole[:kept])
        with pytest.raises(SignalError, match="cut off"):
            read_signal(path)


def test_a_wfdb_header_cannot_name_files_elsewhere(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    header = write_wfdb(inner, waves())
    good = header.read_text()
    (tmp_path / "r1.dat").write_bytes((inner / "r1.dat").read_bytes())
    for name in ("../r1.dat", "/etc/passwd", "http://host/r1.dat"):
        header.write_text(good.replace("r1.dat", name))
        with pytest.raises(SignalError):
            read_signal(header)
    header.write_text(good)
    (inner / "r1.dat").unlink()
    with pytest.raises(SignalError, match="not beside it"):
        read_signal(header)
    (inner / "r1.dat").symlink_to(tmp_path / "r1.dat")
    with pytest.raises(SignalError, match="elsewhere"):
        read_signal(header)
    assert read_signal(header, within=tmp_path).samples.shape == (3, 200)


def test_a_cut_off_or_lying_wfdb_record_is_refused(tmp_path: Path) -> None:
    header = write_wfdb(tmp_path, waves())
    good = header.read_text()
    header.write_text(good.replace("125 200", "125 99999999999"))
    with pytest.raises(SignalError, match="too large"):
        read_signal(header)
    header.write_text("r1/2 3 125 200\nr1a 100\nr1b 100\n")
    with pytest.raises(SignalError):
        read_signal(header)
    header.write_text(good)
    (tmp_path / "r1.dat").write_bytes((tmp_path / "r1.dat").read_bytes()[:100])
    with pytest.raises(SignalError):
        read_signal(header)


def npy(shape: str, kind: str = "<f8") -> bytes:
    """A `.npy` file whose header tells of a shape, with eight bytes behind it."""
    head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode() + bytes(8)


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch /tmp/medplug-was-here",)


def pickled() -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([Trap()], dtype=object), allow_pickle=True)
    return file.getvalue()


def zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x.npy", content)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.npy", pickled(), "pickle"),
        ("a.npy", pickle.dumps([1.0]), "damaged"),
        ("a.npz", zipped(pickled()), "pickle"),
        ("a.npz", b"PK\x03\x04 no archive", "damaged"),
        ("a.npz", zipped(npy("(4611686018427387904, 4)")), "too large"),
        ("a.npz", zipped(npy("(1000, 1000)")), "damaged"),
        ("a.npy", npy("(100000000000,)"), "too large"),
        ("a.npy", npy("(1000,)"), "cut off"),
        ("a.npy", npy("(-1,)"), "damaged"),
        ("a.npy", npy("(0, 1)").removesuffix(bytes(8)), "no samples"),
        ("a.npy", npy("(1,)", "<c8"), "plain numbers"),
        ("a.npy", npy("(1,)", "<U2"), "plain numbers"),
        ("a.csv", b"", "empty"),
        ("a.csv", b"\n\n", "no lines"),
        ("a.csv", b"I,II\n", "no rows"),
        ("a.csv", b"a,b\nx,y\n", "no column of numbers"),
        ("a.csv", b"I\n1\n2\nthree\n", "column 'I' of it holds no number in its row 3"),
        ("a.csv", b"1,2\n3,4,5,6\n", "equally many"),
        ("a.csv", b"\xff\xfe\x00\x01", "UTF-8"),
        ("a.arff", b"@RELATION x\n@ATTRIBUTE a NUMERIC\n@DATA\nsecret\n", "damaged"),
        ("a.arff", b"@RELATION x\n@ATTRIBUTE a STRING\n@DATA\nsecret\n", "attributes of text"),
        ("a.arff", b"nothing", "damaged|no column"),
        ("a.pdf", b"%PDF", "not known as a recording"),
        ("a.edf", b"0" * 5000, "cut off, damaged"),
        ("a.bdf", b"\xffBIOSEMI", "cut off, damaged"),
        ("a.hea", b"\x00\x01", "cut off, damaged|several segments"),
    ],
)
def test_hostile_files_are_refused_with_a_reason(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SignalError, match=reason) as told:
        read_signal(tmp_path / name)
    assert "secret" not in str(told.value)
    assert not Path("/tmp/medplug-was-here").exists()


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    for path, reason in (
        (tmp_path / "folder.csv", "regular"),
        (tmp_path / "no.csv", "no such"),
        (Path("a\0"), "no such"),
    ):
        with pytest.raises(SignalError, match=reason):
            read_signal(path)


def test_sizes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SignalError, match="1,025 channel"):
        signal_of(Raw(np.zeros((1025, 2000))))
    with pytest.raises(SignalError, match="turn it"):
        signal_of(Raw(np.zeros((1000, 12))))
    monkeypatch.setattr(reading, "MAX_NUMBERS", 100)
    with pytest.raises(SignalError, match="too large"):
        signal_of(Raw(np.zeros((2, 51))))


def test_a_few_missing_samples_lie_on_a_line_and_are_counted() -> None:
    samples = np.stack([np.arange(100.0), np.arange(100.0) ** 2])
    broken = samples.copy()
    broken[0, [0, 40, 41]] = np.nan, np.inf, -np.inf
    found, filled = signal_of(Raw(broken))
    assert filled == 3
    np.testing.assert_allclose(found.samples[0], [1.0, *samples[0, 1:]])
    np.testing.assert_array_equal(found.samples[1], samples[1].astype(np.float32))
    assert np.isnan(broken[0, 0])  # what was given stays as it was
    broken[1, :5] = np.nan
    with pytest.raises(SignalError, match="channel 2 lacks 5% of its samples"):
        signal_of(Raw(broken))
    with pytest.raises(SignalError, match="lacks 100%"):  # too large for float32
        signal_of(Raw(np.full(3, 1e300)))


@pytest.mark.parametrize("rate", [0.0, -5.0, float("nan"), float("inf")])
def test_a_rate_must_be_a_positive_number(rate: float) -> None:
    with pytest.raises(SignalError, match="rate"):
        signal_of(Raw(np.zeros(3), rate))


@pytest.mark.parametrize(("name", "package"), [("a.edf", "edfio"), ("a.hea", "wfdb")])
def test_a_missing_package_is_told_with_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, package: str
) -> None:
    (tmp_path / name).write_bytes(b"0")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=rf"needs {package}: pip install 'medplug\[signals\]'"):
        read_signal(tmp_path / name)


def test_names_of_recordings_are_known() -> None:
    assert is_signal_name("A/B.EDF") and not is_signal_name("note.pdf")


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="no shared data: set MEDPLUG_SHARED to the folder that holds data/")
def test_the_eye_state_recording_is_read_whole() -> None:
    found = read_signal(SHARED / "eeg_eye_state/EEG_Eye_State.arff", rate=128)
    assert found.samples.shape == (14, 14_980) and found.rate == 128
    assert 1 <= (found.samples > 1e4).any(0).sum() <= 10
