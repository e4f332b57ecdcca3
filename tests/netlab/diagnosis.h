/* Diagnoses over links with known faults: the right stage has to name the right one. */
#ifndef AIVO_NETLAB_DIAGNOSIS_H
#define AIVO_NETLAB_DIAGNOSIS_H

#include "link.h"

/* All at the same time, on the last conditions of the link; takes about 8 s. false: why is on standard error. */
bool diagnoses_run(struct link *link);

#endif
