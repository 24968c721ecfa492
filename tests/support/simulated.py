"""Recordings simulated cleanly: an arm, a mobile base, a vehicle, factory sensors, a flight; and what can go wrong in each.

A recording has streams, a stream has columns and one clock, in ns. `rig(kind, episodes, seed)` gives the tracks, `record`
writes them as a `Recording` that is read like any other; between the two a test spoils what it likes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from validators import files
from validators.readers.spool import Spool
from validators.recording import Episode, Facts, Recording, Sensor
from validators.stream import Clock, Feature, Stream

Columns = dict[str, np.ndarray]
NS = 1_000_000_000
EPOCH = 1_700_000_000 * NS  # ns; far from zero, as recorders write it
STAMP, LOG = "header.stamp", "log_time"


@dataclass
class Track:
    """One stream of one episode: `columns` with one or more channels, the stamps (ns) among them."""

    columns: Columns
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def stamp(self) -> np.ndarray:
        return self.columns[STAMP]

    def keep(self, rows: np.ndarray) -> None:
        """Drops the other rows."""
        self.columns = {name: values[rows] for name, values in self.columns.items()}


Tracks = dict[str, Track]


def stamps(
    rng: np.random.Generator, seconds: float, rate: float, *, jitter: float = 0.01, late: float = 2e-3
) -> Columns:
    """A sensor's stamps from a phase of its own, and the recorder's, `late` s later on average."""
    n = int(seconds * rate)
    t = rng.uniform(0, 1 / rate) + np.arange(n) / rate + rng.normal(0, jitter / rate, n)
    arrived = np.maximum.accumulate(t + 1e-3 + rng.exponential(late, n))
    return {STAMP: EPOCH + (t * NS).astype(np.int64), LOG: EPOCH + (arrived * NS).astype(np.int64)}


def seconds_of(columns: Columns) -> np.ndarray:
    return (columns[STAMP] - EPOCH) / NS


def wander(rng: np.random.Generator, t: np.ndarray, width: int, size: float, slow: float = 0.3) -> np.ndarray:
    """Smooth motion [rows, width]: three slow waves a channel."""
    waves = [
        np.sin(2 * np.pi * np.outer(t, slow * rng.uniform(0.4, 1.3, width)) + rng.uniform(0, 6.28, width))
        * rng.uniform(0.4, 1.0, width)
        for _ in range(3)
    ]
    return size * np.sum(waves, axis=0) / 3


JOINTS = (*(f"joint_{i}" for i in range(6)), "gripper")


def arm(rng: np.random.Generator, seconds: float = 12.0, lag: float = 0.12) -> Tracks:
    """Six joints (rad) and a gripper (0 to 1) at 30 Hz, commanded by a person; the sixth joint rests."""
    columns = stamps(rng, seconds, 30.0)
    t = seconds_of(columns)
    knots = np.sort(rng.uniform(0.15 * seconds, 0.9 * seconds, 4))

    def told(at: np.ndarray) -> np.ndarray:
        local = np.random.default_rng(seed)
        joints = wander(local, at, 6, 0.9)
        joints[:, 5] *= 0.0
        grip = np.interp(at, np.ravel([[k, k + 0.25] for k in knots]), [0, 1, 1, 0, 0, 1, 1, 0])
        return np.column_stack([joints, grip])

    seed = int(rng.integers(1 << 31))
    columns["action"] = told(t).astype(np.float32)
    noise = rng.normal(0, (6e-4, 6e-4, 6e-4, 6e-4, 6e-4, 6e-4, 0.0), (len(t), 7))
    columns["observation.state"] = (told(t - lag) + noise).astype(np.float32)
    return {"frames": Track(columns, {"action": JOINTS, "observation.state": JOINTS})}


def joints(rng: np.random.Generator, seconds: float = 12.0) -> Tracks:
    """An arm as topics: joint states at 100 Hz, a wrist force at 200 Hz."""
    states, wrist = stamps(rng, seconds, 100.0), stamps(rng, seconds, 200.0)
    t = seconds_of(states)
    states["position"] = wander(rng, t, 6, 0.9) + rng.normal(0, 3e-4, (len(t), 6))
    states["effort"] = wander(rng, t, 6, 4.0) + rng.normal(0, 0.05, (len(t), 6))
    u = seconds_of(wrist)
    wrist["force"] = wander(rng, u, 3, 3.0) + rng.normal(0, 0.1, (len(u), 3))
    names = JOINTS[:6]
    return {"/joint_states": Track(states, {"position": names, "effort": names}), "/wrist": Track(wrist)}


def mobile(rng: np.random.Generator, seconds: float = 12.0) -> Tracks:
    """A base that drives: IMU at 100 Hz, wheel odometry at 50 Hz, a lidar and a camera as what they measured."""
    imu, odometry = stamps(rng, seconds, 100.0), stamps(rng, seconds, 50.0)
    t, u = seconds_of(imu), seconds_of(odometry)
    imu["angular_velocity"] = wander(rng, t, 3, 0.4) * [0.1, 0.1, 1.0] + rng.normal(0, 4e-3, (len(t), 3))
    imu["linear_acceleration"] = wander(rng, t, 3, 0.8) + np.array([0, 0, 9.81]) + rng.normal(0, 0.05, (len(t), 3))
    speed = 0.5 + 0.3 * wander(rng, u, 1, 1.0)[:, 0]
    yaw = np.cumsum(wander(rng, u, 1, 0.8)[:, 0] / 50)
    where = np.cumsum(np.column_stack([speed * np.cos(yaw), speed * np.sin(yaw)]) / 50, axis=0)
    odometry["pose"] = np.column_stack([where, (yaw + np.pi) % (2 * np.pi) - np.pi])
    odometry["speed"] = speed + rng.normal(0, 0.004, len(u))
    scans = stamps(rng, seconds, 10.0, jitter=0.02)
    scans["range_mean"] = 4 + wander(rng, seconds_of(scans), 1, 1.0)[:, 0] + rng.normal(0, 0.02, len(scans[STAMP]))
    return {"/imu": Track(imu), "/odom": Track(odometry), "/scan": Track(scans)}


def vehicle(rng: np.random.Generator, seconds: float = 12.0) -> Tracks:
    """A car: lidar at 10 Hz and cameras at 20 Hz from one trigger, GNSS at 10 Hz, IMU at 100 Hz, wheels at 50 Hz."""
    lidar = stamps(rng, seconds, 10.0, jitter=1e-3)
    tracks = {"/lidar_top": Track(lidar)}
    lidar["points"] = 60_000 + 800 * rng.standard_normal(len(lidar[STAMP]))
    for name in ("/camera_front", "/camera_left"):
        triggered = np.sort(np.concatenate([lidar[STAMP], lidar[STAMP] + NS // 20]))
        t = triggered + rng.normal(0, 2e-4 * NS, len(triggered)).astype(np.int64)
        camera = {STAMP: t, LOG: t + (2e6 + rng.exponential(2e6, len(t))).astype(np.int64)}
        camera["exposure_ms"] = 8 + wander(rng, seconds_of(camera), 1, 2.0)[:, 0] + rng.normal(0, 0.05, len(t))
        tracks[name] = Track(camera)
    gnss, imu, wheels = (stamps(rng, seconds, rate) for rate in (10.0, 100.0, 50.0))
    speed = 12 + wander(rng, seconds_of(wheels), 1, 3.0)[:, 0]
    wheels["wheel_speed"] = speed[:, None] + rng.normal(0, 0.03, (len(speed), 4))
    gnss["position"] = np.cumsum(10 + wander(rng, seconds_of(gnss), 3, 2.0), axis=0) / 10 + rng.normal(
        0, 0.01, (len(gnss[STAMP]), 3)
    )
    imu["linear_acceleration"] = wander(rng, seconds_of(imu), 3, 1.5) + rng.normal(0, 0.08, (len(imu[STAMP]), 3))
    return tracks | {"/gnss": Track(gnss), "/imu": Track(imu), "/wheels": Track(wheels)}


def factory(rng: np.random.Generator, seconds: float = 12.0) -> Tracks:
    """A press: vibration at 500 Hz, motor current at 100 Hz, hydraulic pressure at 50 Hz, a temperature at 2 Hz."""
    vibration, current, pressure, warmth = (stamps(rng, seconds, rate) for rate in (500.0, 100.0, 50.0, 2.0))
    t = seconds_of(vibration)
    hum = sum(a * np.sin(2 * np.pi * f * t[:, None] + rng.uniform(0, 6.28, 3)) for f, a in ((24.7, 0.6), (49.3, 0.3)))
    vibration["acceleration"] = hum + rng.normal(0, 0.15, (len(t), 3))
    strokes = np.sin(2 * np.pi * 0.5 * seconds_of(current) + rng.uniform(0, 6.28))
    current["current"] = 8 + 4 * strokes + rng.normal(0, 0.08, len(strokes))
    pressure["pressure"] = (
        120 + 30 * np.sin(2 * np.pi * 0.5 * seconds_of(pressure)) + rng.normal(0, 0.4, len(pressure[LOG]))
    )
    warmth["temperature"] = np.round(41 + 0.1 * seconds_of(warmth) + rng.normal(0, 0.05, len(warmth[LOG])), 1)
    names = {"/vibration": vibration, "/current": current, "/pressure": pressure, "/temperature": warmth}
    return {name: Track(columns) for name, columns in names.items()}


def flight(rng: np.random.Generator, seconds: float = 12.0) -> Tracks:
    """An autopilot's log: IMU at 250 Hz, attitude limited to 20 Hz from 250, motors at 8 or 12 ms, commands as events."""
    sensor = stamps(rng, seconds, 250.0, jitter=0.004)
    t = seconds_of(sensor)
    sensor["gyro_rad"] = wander(rng, t, 3, 0.4) + rng.normal(0, 0.01, (len(t), 3))
    sensor["accelerometer_m_s2"] = wander(rng, t, 3, 1.0) + np.array([0, 0, -9.81]) + rng.normal(0, 0.15, (len(t), 3))
    attitude = {name: values[::12] for name, values in stamps(rng, seconds, 250.0, jitter=0.004).items()}
    attitude["roll_pitch_yaw"] = wander(rng, seconds_of(attitude), 3, 0.3) + rng.normal(
        0, 1e-3, (len(attitude[LOG]), 3)
    )
    beats = np.cumsum(rng.choice([2, 3], int(seconds * 100)))  # of 4 ms: logged at most every 8 ms
    beats = beats[beats < seconds * 250]
    motors = {STAMP: EPOCH + beats * NS // 250, LOG: EPOCH + beats * NS // 250 + NS // 1000}
    motors["control"] = 0.5 + wander(rng, seconds_of(motors), 4, 0.1) + rng.normal(0, 5e-3, (len(beats), 4))
    events = EPOCH + np.sort(rng.uniform(0, seconds, 25) * NS).astype(np.int64)
    commands = {STAMP: events, LOG: events + NS // 500, "param1": rng.choice([0.0, 1.0, np.nan], 25)}
    names = {
        "sensor_combined.0": sensor,
        "vehicle_attitude": attitude,
        "actuator_motors": motors,
        "vehicle_command.0": commands,
    }
    return {name: Track(columns) for name, columns in names.items()}


@dataclass(frozen=True)
class Kind:
    """A kind of machine: how an episode is simulated, what the recording declares, and the suite that fits it."""

    simulate: Callable[..., Tracks]
    suite: str
    robot_type: str
    format: str = "mcap"
    fps: Mapping[str, float] = field(default_factory=dict)
    sensors: Mapping[str, Sensor] = field(default_factory=dict)


def _tolerant(ms: float, *names: str) -> dict[str, Sensor]:
    return {name: Sensor(name, name.strip("/").split("_")[0], tolerance_ms=ms) for name in names}


KINDS = {
    "arm": Kind(arm, "arm@2", "so101_arm", "simulated", {"frames": 30.0}),
    "joints": Kind(joints, "joints@1", "franka_panda"),
    "mobile": Kind(mobile, "mobile@1", "turtlebot4"),
    "vehicle": Kind(
        vehicle, "vehicle@1", "passenger_car", sensors=_tolerant(2.0, "/lidar_top", "/camera_front", "/camera_left")
    ),
    "factory": Kind(factory, "factory@1", "factory_press"),
    "flight": Kind(flight, "flight@1", "px4_quadrotor", "ulog"),
}


def rig(kind: str, episodes: int, seed: int = 0, **wanted: float) -> list[Tracks]:
    """Clean episodes of a kind, each of a seed of its own."""
    return [KINDS[kind].simulate(np.random.default_rng([seed, i]), **wanted) for i in range(episodes)]


def record(folder: Path, kind: str, episodes: Sequence[Tracks]) -> Recording:
    """The tracks as a recording: one Arrow file a stream and episode, as readers spool it."""
    what = KINDS[kind]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "simulated.txt").write_text(kind)
    place = files.at(folder)
    with Spool(place.scratch) as spool:
        for position, tracks in enumerate(episodes):
            for name, track in tracks.items():
                spool.write(name, position, _batch(track.columns))
    first = episodes[0]
    streams = {
        name: Stream(
            name,
            {n: _feature(n, values, track.names.get(n, ())) for n, values in track.columns.items()},
            spool.tables(name),
            Clock(STAMP, "ns", STAMP, "ptp" if kind == "vehicle" else "none", EPOCH),
            what.fps.get(name),
        )
        for name, track in first.items()
    }
    listed = []
    for i, tracks in enumerate(episodes):
        times = np.concatenate([track.stamp for track in tracks.values()])
        start, end = ((float(x) - EPOCH) / NS for x in (times.min(), times.max()))
        rows = len(next(iter(tracks.values())).stamp)
        listed.append(Episode(i, ("simulated.txt",), rows, start, end))
    facts = Facts(robot_type=what.robot_type, sensors=what.sensors)
    return Recording(what.format, place, facts, tuple(listed), streams)


def _feature(name: str, values: np.ndarray, names: tuple[str, ...]) -> Feature:
    return Feature(name, str(values.dtype), (values.shape[1] if values.ndim == 2 else 1,), names)


def _batch(columns: Columns) -> pa.RecordBatch:
    made = []
    for values in columns.values():
        flat = pa.array(np.ascontiguousarray(values).ravel())
        made.append(flat if values.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, values.shape[1]))
    return pa.RecordBatch.from_arrays(made, names=list(columns))
