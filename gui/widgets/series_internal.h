/* What a chart may see of a series. */
#ifndef AGK_SERIES_INTERNAL_H
#define AGK_SERIES_INTERNAL_H

#include "points.h"
#include <math.h>

/* Borrowed, until the series changes. */
const struct agk_points *agk_series_points(AivoQualitySeries *series);

#endif
