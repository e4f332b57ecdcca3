/* A packet in words, for a log: its kind, its event and its size. Never its arguments: they may be anybody's secrets.
 */
#ifndef AIVO_PACKET_TEXT_H
#define AIVO_PACKET_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#define AIVO_PACKET_TEXT_MAX 160

/* E.g. "EVENT \"chat\", ack 7, namespace /room, 123 bytes". A text frame of Engine.IO over WebSocket. */
void aivo_packet_text(const char *frame, size_t len, bool binary, char out[AIVO_PACKET_TEXT_MAX]);

#endif
