/* clock.h - a wall clock that is wrong, for one process of the lab.
 *
 * The kernel has no namespace for CLOCK_REALTIME. So clock.c takes the place of the C library's functions that tell the
 * time of day: all code of the program, the library's included, is then told a time that is off by this much. */
#ifndef LAB_CLOCK_H
#define LAB_CLOCK_H

extern long long lab_clock_offset_s;

#endif
