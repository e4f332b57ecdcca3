/* What trials came to: a table for people, and whether every figure is within its bound. */
#ifndef AIVO_NETLAB_REPORT_H
#define AIVO_NETLAB_REPORT_H

#include "trial.h"

struct report;

struct report *report_create(bool full); /* NULL: no memory */
/* Takes the figures of a trial; prints a line. */
void report_trial(struct report *report, const struct trial *trial);
/* Prints the account, writes it as Markdown to path if there is one, frees. false: a figure is beyond its bound. */
bool report_end(struct report *report, const char *path);

#endif
