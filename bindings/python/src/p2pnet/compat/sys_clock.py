"""PyP2P's clock: how far this system's is off, by lib.get_ntp() and a filter against outliers.

Nets need none: the library measures the time between two nodes itself where it matters.
"""
import statistics
import time
from decimal import Decimal

from .lib import get_ntp


class SysClock:
    """time() is true time. clock_skew: this system's minus true time; 0 = find it out."""

    def __init__(self, clock_skew=Decimal("0")):
        self.enough_data, self.min_data, self.max_sdev, self.clean_steps = 40, 20, 60, 3
        self.data_points = []
        self.clock_skew = clock_skew
        if not self.clock_skew:
            self.collect_data_points()
            self.clock_skew = self.calculate_clock_skew()

    def time(self):
        return Decimal(time.time()) - self.clock_skew

    def collect_data_points(self):
        """Asks lib.ntp_servers; gives up when none of them answers."""
        while len(self.data_points) < self.enough_data + 10:
            ntp = get_ntp()
            if ntp is None:
                return
            self.data_points.append(Decimal(time.time()) - Decimal(ntp))

    def calculate_clock_skew(self):
        """The mean of what is left when outliers have gone; 0 if that is too little or too uncertain."""
        points = self.data_points
        if len(points) < 2:
            return Decimal("0")
        mean, deviation = statistics.mean(points), statistics.pstdev(points)
        for _ in range(self.clean_steps):
            points = [p for p in points if mean - deviation <= p <= mean + deviation]
            if len(points) < 2:
                break
            mean, deviation = statistics.mean(points), statistics.pstdev(points)
            if deviation <= self.max_sdev or len(points) < self.min_data:
                break
        self.data_points = points
        return mean if deviation <= self.max_sdev and len(points) >= self.min_data else Decimal("0")
