/* A TCP relay on loopback that delays what passes through it (each way by half the round trip), and on demand stalls it
 * or cuts all connections. A thread of its own. */
#ifndef AIVO_TEST_RELAY_H
#define AIVO_TEST_RELAY_H

#include <stdbool.h>
#include <stdint.h>

struct relay;

/* to_port on 127.0.0.1; NULL: the system refused. */
struct relay *relay_start(uint16_t to_port, uint32_t round_trip_ms);
uint16_t relay_port(const struct relay *r);
void relay_stall(struct relay *r, bool stalled); /* nothing passes, nothing is lost */
void relay_cut(struct relay *r);                 /* every connection ends without a word */
void relay_stop(struct relay *r);

#endif
