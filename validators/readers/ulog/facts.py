"""What a PX4 log declares: the kind of vehicle, its sensors with their calibration, versions of what wrote it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from validators.readers.ulog.log import Log
from validators.recording import Sensor

# MAV_TYPE of MAVLink's common messages
_VEHICLES = {1: "fixed_wing", 2: "quadrotor", 3: "coaxial", 4: "helicopter", 10: "rover", 11: "boat", 12: "submarine"}
_VEHICLES |= {13: "hexarotor", 14: "octorotor", 15: "tricopter", **dict.fromkeys(range(19, 26), "vtol")}
_SENSORS = {
    "sensor_accel": ("accelerometer", "ACC"),
    "sensor_gyro": ("gyroscope", "GYRO"),
    "sensor_mag": ("magnetometer", "MAG"),
    "sensor_baro": ("barometer", "BARO"),
    "sensor_combined": ("imu", ""),
    "vehicle_imu": ("imu", ""),
    "sensor_gps": ("gnss", ""),
    "vehicle_gps_position": ("gnss", ""),
    "distance_sensor": ("range", ""),
    "airspeed": ("airspeed", ""),
    "optical_flow": ("optical-flow", ""),
}
_RELEASES = ((192, "release candidate"), (128, "beta"), (64, "alpha"), (0, "development"))
_INFO = {"sys_os_name": "os", "ver_hw": "hardware", "sys_toolchain_ver": "toolchain", "sys_uuid": "uuid"}


def robot(log: Log) -> str | None:
    """The vehicle by the parameter MAV_TYPE; `px4` where it says nothing known."""
    kind = log.parameters.get("MAV_TYPE")
    return _VEHICLES.get(int(kind), "px4") if kind is not None else "px4" if log.info.get("sys_name") == "PX4" else None


def tools(log: Log) -> dict[str, str]:
    """PX4's release and git hash, system and board; `parameters` by number and digest."""
    found = {"ulog": f"version {log.version}"}
    release, commit = log.info.get("ver_sw_release"), log.info.get("ver_sw")
    if isinstance(release, int):
        word = "release" if release & 0xFF == 255 else next(w for least, w in _RELEASES if release & 0xFF >= least)
        found["px4"] = f"{release >> 24 & 255}.{release >> 16 & 255}.{release >> 8 & 255} ({word})"
    if isinstance(commit, str) and commit:
        found["px4 commit"] = commit
    found |= {name: str(log.info[key]) for key, name in _INFO.items() if log.info.get(key)}
    if log.parameters:
        found["parameters"] = f"{len(log.parameters)}, {log.digest}"
    return found


def sensors(logs: Sequence[Log]) -> dict[str, Sensor]:
    """By stream. The calibration holds the parameters CAL_<sensor><instance>_… of the first log that has them."""
    found: dict[str, Sensor] = {}
    for log in logs:
        for topic in log.topics.values():
            if topic.name in _SENSORS and topic.messages and topic.stream not in found:
                kind, short = _SENSORS[topic.name]
                own = re.compile(rf"CAL_{short}{topic.instance}_\w+")
                calibration = {k: v for k, v in log.parameters.items() if short and own.fullmatch(k)}
                found[topic.stream] = Sensor(topic.stream, kind, None, calibration)
    return found
