"""What can go wrong in a simulated recording: each defect spoils one episode and says which check finds it, and where."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tests.support.simulated import EPOCH, LOG, NS, STAMP, Tracks, seconds_of

Span = tuple[float, float]  # s since the recording's origin


@dataclass(frozen=True)
class Defect:
    """`spoil` changes the tracks of an episode and answers the span of the defect; `also` are checks that see it, too."""

    kind: str
    name: str
    check: str
    stream: str
    spoil: Callable[[Tracks], Span]
    also: frozenset[str] = frozenset()


DEFECTS: list[Defect] = []
START, STOP = 4.0, 7.0  # s; where most defects lie


def defect(kind: str, check: str, stream: str, *also: str):
    def named(spoil: Callable[[Tracks], Span]):
        DEFECTS.append(Defect(kind, spoil.__name__, check, stream, spoil, frozenset(also)))
        return spoil

    return named


def inside(track, start: float = START, stop: float = STOP) -> np.ndarray:
    t = seconds_of(track.columns)
    return np.flatnonzero((t >= start) & (t < stop))


def span(track, rows: np.ndarray) -> Span:
    t = seconds_of(track.columns)[rows]
    return float(t.min()), float(t.max())


def dropped(track, rows: int) -> Span:
    first = inside(track)[0]
    found = span(track, np.array([first - 1, first + rows]))
    track.keep(np.delete(np.arange(len(track.stamp)), np.arange(first, first + rows)))
    return found


def shifted(track, rows: np.ndarray, seconds: np.ndarray | float) -> Span:
    track.columns[STAMP][rows] += (np.asarray(seconds) * NS).astype(np.int64)
    return span(track, rows)


def scaled(track, column: str, factor: float) -> Span:
    """Amplified until it is cut at what it could reach before."""
    x = track.columns[column]
    middle, reach = x.mean(axis=0), 1.5 * np.abs(x - x.mean(axis=0)).max()
    track.columns[column] = middle + np.clip((x - middle) * factor, -reach, reach)
    return span(track, np.arange(len(x)))


@defect("arm", "gap", "header.stamp", "clock_drift")
def frames_dropped(tracks: Tracks) -> Span:
    return dropped(tracks["frames"], 4)


@defect("arm", "duplicate_times", "header.stamp", "gap", "jitter")
def a_stamp_twice(tracks: Tracks) -> Span:
    track = tracks["frames"]
    row = inside(track)[0]
    track.stamp[row] = track.stamp[row - 1]
    return span(track, np.array([row - 1, row + 1]))


@defect("arm", "runs_back", "header.stamp", "gap", "jitter")
def a_stamp_back(tracks: Tracks) -> Span:
    track = tracks["frames"]
    rows = inside(track)[:1]
    shifted(track, rows, -0.05)
    return span(track, np.array([rows[0] - 2, rows[0] + 1]))


@defect("arm", "jitter", "header.stamp")
def steps_scatter(tracks: Tracks) -> Span:
    track = tracks["frames"]
    rows = np.arange(1, len(track.stamp))
    return shifted(track, rows, np.random.default_rng(1).uniform(-0.2, 0.2, len(rows)) / 30)


@defect("arm", "mean_rate", "header.stamp")
def too_slow(tracks: Tracks) -> Span:
    track = tracks["frames"]
    track.columns[STAMP] = EPOCH + ((track.stamp - EPOCH) * 1.2).astype(np.int64)
    return span(track, np.arange(len(track.stamp)))


@defect("arm", "stuck", "observation.state.joint_1", "following_error", "jump", "acceleration_spike")
def an_encoder_stuck(tracks: Tracks) -> Span:
    track = tracks["frames"]
    rows = inside(track)
    track.columns["observation.state"][rows, 1] = track.columns["observation.state"][rows[0], 1]
    return span(track, rows)


@defect("arm", "outlier", "observation.state.joint_2", "acceleration_spike")
def a_glitch(tracks: Tracks) -> Span:
    track = tracks["frames"]
    row = inside(track)[0]
    track.columns["observation.state"][row, 2] += 0.6
    return span(track, np.array([row - 1, row + 1]))


@defect("arm", "jump", "observation.state.joint_2", "acceleration_spike", "action_jump")
def a_slipped_encoder(tracks: Tracks) -> Span:
    track = tracks["frames"]
    rows = inside(track, START, 99)
    track.columns["observation.state"][rows, 2] += 0.5
    track.columns["action"][rows, 2] += 0.5
    return span(track, np.array([rows[0] - 1, rows[0] + 1]))


@defect("arm", "action_jump", "action", "following_error")
def a_command_out_of_the_blue(tracks: Tracks) -> Span:
    track = tracks["frames"]
    row = inside(track)[0]
    track.columns["action"][row, :5] += 1.5
    return span(track, np.array([row - 1, row + 1]))


@defect("arm", "teleoperation_lag", "observation.state", "following_error")
def a_slow_link(tracks: Tracks) -> Span:
    track = tracks["frames"]
    rows = 10
    for name in ("action",):
        track.columns[name] = np.concatenate([track.columns[name][rows:], np.repeat(track.columns[name][-1:], rows, 0)])
    return span(track, np.arange(len(track.stamp)))


@defect("arm", "following_error", "observation.state.joint_3")
def a_zero_that_is_off(tracks: Tracks) -> Span:
    track = tracks["frames"]
    track.columns["observation.state"][:, 3] += np.deg2rad(12)
    return span(track, np.arange(len(track.stamp)))


@defect("arm", "nan", "observation.state.joint_4")
def no_number(tracks: Tracks) -> Span:
    track = tracks["frames"]
    rows = inside(track)[:3]
    track.columns["observation.state"][rows, 4] = np.nan
    return span(track, rows)


@defect("arm", "short_episode", "frames")
def cut_short(tracks: Tracks) -> Span:
    tracks["frames"].keep(np.arange(20))
    return span(tracks["frames"], np.arange(20))


@defect("mobile", "gap", "/scan: header.stamp")
def scans_lost(tracks: Tracks) -> Span:
    return dropped(tracks["/scan"], 3)


@defect("mobile", "coverage", "/scan: header.stamp", "clock_drift")
def a_lidar_that_died(tracks: Tracks) -> Span:
    track = tracks["/scan"]
    track.keep(inside(track, 0, 7.0))
    return 6.8, 12.1


@defect("mobile", "clock_drift", "/imu: header.stamp", "mean_rate")
def a_crystal_far_off(tracks: Tracks) -> Span:
    track = tracks["/imu"]
    track.columns[STAMP] = EPOCH + ((track.stamp - EPOCH) * (1 - 2e-3)).astype(np.int64)
    return -0.1, 12.2


@defect("mobile", "clock_drift", "/odom: header.stamp")
def a_clock_never_set(tracks: Tracks) -> Span:
    track = tracks["/odom"]
    track.columns[LOG] = track.columns[LOG] + NS
    return -0.1, 12.2


@defect("mobile", "stuck", "/imu: angular_velocity[1]")
def a_dead_gyro(tracks: Tracks) -> Span:
    track = tracks["/imu"]
    rows = inside(track)
    track.columns["angular_velocity"][rows, 1] = 0.0
    return span(track, rows)


@defect("mobile", "saturation", "/imu: linear_acceleration[0]", "stuck")
def an_accelerometer_at_its_end(tracks: Tracks) -> Span:
    return scaled(tracks["/imu"], "linear_acceleration", 40.0)


@defect("mobile", "jump", "/odom: pose[0]")
def a_base_elsewhere(tracks: Tracks) -> Span:
    track = tracks["/odom"]
    rows = inside(track, START, 99)
    track.columns["pose"][rows, 0] += 4.0
    return span(track, np.array([rows[0] - 1, rows[0] + 1]))


@defect("vehicle", "sync_spread", "/lidar_top ~ /camera_front")
def a_camera_out_of_step(tracks: Tracks) -> Span:
    return shifted(tracks["/camera_front"], inside(tracks["/camera_front"]), 5e-3)


@defect("vehicle", "outlier", "/wheels: wheel_speed[2]")
def a_wheel_pulse_too_many(tracks: Tracks) -> Span:
    track = tracks["/wheels"]
    row = inside(track)[0]
    track.columns["wheel_speed"][row, 2] += 9.0
    return span(track, np.array([row - 1, row + 1]))


@defect("vehicle", "gap", "/camera_left: header.stamp", "sync_spread")
def pictures_lost(tracks: Tracks) -> Span:
    return dropped(tracks["/camera_left"], 1)


@defect("factory", "stuck", "/vibration: acceleration[2]")
def a_loose_cable(tracks: Tracks) -> Span:
    track = tracks["/vibration"]
    rows = inside(track)
    track.columns["acceleration"][rows, 2] = 0.01
    return span(track, rows)


@defect("factory", "saturation", "/vibration: acceleration[0]", "outlier", "stuck")
def a_range_too_small(tracks: Tracks) -> Span:
    return scaled(tracks["/vibration"], "acceleration", 60.0)


@defect("factory", "outlier", "/current: current")
def a_surge(tracks: Tracks) -> Span:
    track = tracks["/current"]
    row = inside(track)[0]
    track.columns["current"][row] += 20.0
    return span(track, np.array([row - 1, row + 1]))


@defect("factory", "gap", "/pressure: header.stamp")
def a_buffer_overrun(tracks: Tracks) -> Span:
    return dropped(tracks["/pressure"], 10)


@defect("flight", "gap", "sensor_combined.0: header.stamp")
def a_slow_card(tracks: Tracks) -> Span:
    return dropped(tracks["sensor_combined.0"], 40)


@defect("flight", "nan", "sensor_combined.0: gyro_rad[1]")
def a_gyro_without_number(tracks: Tracks) -> Span:
    track = tracks["sensor_combined.0"]
    rows = inside(track)[:5]
    track.columns["gyro_rad"][rows, 1] = np.nan
    return span(track, rows)


@defect("flight", "runs_back", "sensor_combined.0: header.stamp", "gap", "jitter")
def a_clock_set_in_flight(tracks: Tracks) -> Span:
    track = tracks["sensor_combined.0"]
    rows = inside(track, START, 99)
    shifted(track, rows, -0.02)
    return span(track, np.array([rows[0] - 8, rows[0] + 1]))


@defect("flight", "saturation", "sensor_combined.0: accelerometer_m_s2[2]", "outlier", "stuck")
def vibration_beyond_the_range(tracks: Tracks) -> Span:
    return scaled(tracks["sensor_combined.0"], "accelerometer_m_s2", 40.0)


@defect("joints", "jump", "/joint_states: position.joint_2", "acceleration_spike")
def a_joint_that_slipped(tracks: Tracks) -> Span:
    track = tracks["/joint_states"]
    rows = inside(track, START, 99)
    track.columns["position"][rows, 2] += 0.4
    return span(track, np.array([rows[0] - 1, rows[0] + 1]))


@defect("joints", "outlier", "/joint_states: position.joint_4", "acceleration_spike")
def a_word_misread(tracks: Tracks) -> Span:
    track = tracks["/joint_states"]
    row = inside(track)[0]
    track.columns["position"][row, 4] -= 0.3
    return span(track, np.array([row - 1, row + 1]))


@defect("joints", "gap", "/wrist: header.stamp")
def a_wrist_unplugged(tracks: Tracks) -> Span:
    return dropped(tracks["/wrist"], 60)
