/*
 * Facts -> facts for people, what is wrong and what to do about it. Pure: no socket, file, thread or clock. Each
 * function fills the stage that the report is at (diag_stage_fill()).
 */
#ifndef AIVO_DIAG_JUDGE_H
#define AIVO_DIAG_JUDGE_H

#include "facts.h"
#include "report.h"

void diag_judge_dns(struct diag_report *r, const struct diag_target *t, const struct diag_dns *f);
void diag_judge_tcp(struct diag_report *r, const struct diag_target *t, const struct diag_tcp *f);
void diag_judge_proxy(struct diag_report *r, const struct diag_target *t, const struct diag_http *f, bool credentials);
void diag_judge_tls(struct diag_report *r, const struct diag_target *t, const struct diag_tls *f, double warn_days);
void diag_judge_http(struct diag_report *r, const struct diag_target *t, const struct diag_http *f, const char *origin);
void diag_judge_engineio(struct diag_report *r, const struct diag_target *t, const struct diag_engineio *f);
void diag_judge_auth(struct diag_report *r, const struct diag_target *t, const struct diag_auth *f);
void diag_judge_probes(struct diag_report *r, const struct diag_target *t, const struct diag_probes *f);
void diag_judge_polling(struct diag_report *r, const struct diag_target *t, const struct diag_polling *f);
void diag_judge_throughput(struct diag_report *r, const struct diag_throughput *f);
void diag_judge_rate(struct diag_report *r, const struct diag_rate *f);

/* "example.org:443", with brackets where they belong. */
#define DIAG_WHOM 300
const char *diag_whom(char out[DIAG_WHOM], const char *host, uint16_t port);

#endif
