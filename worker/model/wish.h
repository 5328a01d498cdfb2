/* How long a server asks us to wait, where its words say so: "Greylisted, come back in 00:05:00",
 * "try again in 300 seconds". The words are a stranger's: they are believed for at most
 * WISH_MAXIMUM_S, and only ever to wait longer, so that the worst they can do is to hold up the
 * mail that they refuse. */
#ifndef HANDBELL_MODEL_WISH_H
#define HANDBELL_MODEL_WISH_H

#include <stdint.h>

enum { WISH_MAXIMUM_S = 3600 };

/* Seconds; 0 where `text` names no time. The first one counts: digits followed by a unit (s, sec,
 * seconds, m, min, minutes, h, hours, in any case), or, behind "in", "for" or "wait", MM:SS or
 * HH:MM:SS. A time of the day ("at 10:30:05") is none. */
uint32_t wish_wait_s(const char *text);

#endif
