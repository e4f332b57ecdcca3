/* Shared by quality.c and quality_snapshot.c. */
#ifndef AIVO_CORE_QUALITY_IMPL_H
#define AIVO_CORE_QUALITY_IMPL_H

#include "quality.h"

/* What the figures are made of at this moment: while a probe hangs, its age is the newest sample. */
struct aivo_quality_view {
    bool provisional;
    struct aivo_window window;
    struct aivo_score_input input;
    struct aivo_score score;
};
/* false: there is none, the connection is Offline. */
bool aivo_quality_view(const struct aivo_quality_core *q, int64_t now_us, struct aivo_quality_view *out);
/* One evaluation of the window as it is. */
void aivo_quality_evaluate(struct aivo_quality_core *q, int64_t now_us, bool anew);

#endif
