/*
 * A bounded history of points, oldest first. Pure but for malloc.
 *
 * When it is full, the older half is merged two into one, so that time is never cut off at the old end and adding costs
 * O(1) on average. Neighbours with a gap between them stay apart, as long as that frees enough.
 */
#ifndef AGK_POINTS_H
#define AGK_POINTS_H

#include <aivo-gtk/series.h>
#include <stdbool.h>

#define AGK_POINTS_MIN     64
#define AGK_POINTS_MAX     1048576
#define AGK_POINTS_DEFAULT 16384

struct agk_points {
    AivoQualityPoint *data;
    size_t count, room, capacity; /* room is allocated, at most capacity */
};

/* capacity is brought into AGK_POINTS_MIN..MAX. */
void agk_points_init(struct agk_points *points, size_t capacity);
void agk_points_clear(struct agk_points *points);
void agk_points_free(struct agk_points *points);
/* False, and nothing changed, unless its time is after the last one's. A point is brought into order first: unknown or
 * negative latencies become NAN, a worst level that is none becomes Offline, samples at least 1. */
bool agk_points_add(struct agk_points *points, const AivoQualityPoint *point);
/* Leaves out everything that begins at time_ms or later. */
void agk_points_cut(struct agk_points *points, int64_t time_ms);
/* The first index whose time is not before time_ms; count if there is none. */
size_t agk_points_find(const struct agk_points *points, int64_t time_ms);
/* What two neighbours amount to. */
AivoQualityPoint agk_points_merge(const AivoQualityPoint *a, const AivoQualityPoint *b);

#endif
