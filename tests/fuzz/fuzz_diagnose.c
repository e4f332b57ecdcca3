/*
 * What a server sends to a diagnosis. The first byte chooses: the answer to a long-polling request, to the upgrade, or
 * frames on the open WebSocket (handshake, CONNECT, probes); then as much as is left comes in, and the connection ends.
 * Whatever it is, the report is well-formed: one line of UTF-8 everywhere, a fix for every finding, known facts.
 */
#include "clock.h"
#include "diag/http.h"
#include "diag/judge.h"
#include "diag/run.h"
#include "fuzz.h"
#include "json.h"
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define INPUT_MAX 65536 /* fits into a socket's buffer */

static void check_text(const char *text)
{
    CHECK(text && aivo_utf8_valid(text, strlen(text)));
    for (; *text; text++)
        CHECK((unsigned char)*text >= 0x20 && *text != 0x7f);
}

static void check_stage(struct aivo_diagnosis *d, enum aivo_diagnose_stage stage)
{
    const struct aivo_diagnose_result *r = diag_stage_end(&d->report, stage, 0, 1, NULL);
    check_text(r->reason);
    for (size_t i = 0; i < r->finding_count; i++) {
        check_text(r->findings[i].reason);
        check_text(r->findings[i].fix);
        CHECK(*r->findings[i].code && *r->findings[i].reason && *r->findings[i].fix);
    }
    for (size_t i = 0; i < r->fact_count; i++) {
        const struct aivo_diagnose_fact *f = &r->facts[i];
        CHECK(*aivo_diagnose_fact_explain(stage, f->list, f->key));
        if (f->type == AIVO_DIAGNOSE_TEXT)
            check_text(f->text);
    }
}

static void polling_answer(struct aivo_diagnosis *d)
{
    struct diag_polling f = {.tried = true, .origin = "https://a.example"};
    struct aivo_http_head head;
    struct aivo_buf body = {0};
    diag_http_init(&f.http);
    if (diag_http_head(&d->stream, &head, &f.http) == DIAG_DONE) {
        diag_http_body(&d->stream, &head, &body);
        CHECK(body.len <= DIAG_BODY_MAX);
        diag_http_keep_body(&f.http, &body);
    }
    aivo_buf_free(&body);
    diag_stage_fill(&d->report, AIVO_DIAGNOSE_POLLING);
    diag_judge_polling(&d->report, &d->target, &f);
    check_stage(d, AIVO_DIAGNOSE_POLLING);
    diag_stage_fill(&d->report, AIVO_DIAGNOSE_PROXY);
    diag_judge_proxy(&d->report, &d->target, &f.http, true);
    check_stage(d, AIVO_DIAGNOSE_PROXY);
}

static void upgrade_answer(struct aivo_diagnosis *d)
{
    diag_stage_fill(&d->report, AIVO_DIAGNOSE_HTTP);
    diag_run_http(d);
    check_stage(d, AIVO_DIAGNOSE_HTTP);
}

static void frames(struct aivo_diagnosis *d)
{
    static enum diag_next (*const run[])(struct aivo_diagnosis *) = {diag_run_engineio, diag_run_auth, diag_run_probes,
                                                                     diag_run_rate};
    static const enum aivo_diagnose_stage stages[] = {AIVO_DIAGNOSE_ENGINEIO, AIVO_DIAGNOSE_AUTH, AIVO_DIAGNOSE_PROBES,
                                                      AIVO_DIAGNOSE_RATE_LIMIT};
    d->socket = (struct diag_socket){.reader = {.max_message = 1 << 20}, .open = true};
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
        diag_stage_fill(&d->report, stages[i]);
        enum diag_next next = run[i](d);
        check_stage(d, stages[i]);
        if (next != DIAG_GO_ON)
            break;
    }
    aivo_ws_reader_free(&d->socket.reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int pair[2];
    struct aivo_options target;
    struct aivo_diagnose_options how;
    struct aivo_diagnosis *d = NULL;
    if (size < 1 || size > INPUT_MAX)
        return 0;
    aivo_options_init(&target);
    aivo_diagnose_options_init(&how);
    target.url = "http://srv.example";
    target.proxy = "";
    how.count = 2;
    how.stage_timeout_ms = 1000;
    CHECK(aivo_diagnose_create(&target, &how, &d, NULL) == AIVO_OK);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
    CHECK(send(pair[1], data + 1, size - 1, 0) == (ssize_t)(size - 1));
    CHECK(shutdown(pair[1], SHUT_WR) == 0);
    d->stop = (struct diag_stop){.cancel_fd = d->cancel_fd, .total_us = AIVO_NEVER};
    d->start_us = d->stage_us = aivo_clock_us();
    diag_stream_init(&d->stream, &d->stop, pair[0]);
    d->stream.deadline_us = diag_stage_deadline(d);
    if (data[0] % 3 == 0)
        polling_answer(d);
    else if (data[0] % 3 == 1)
        upgrade_answer(d);
    else
        frames(d);
    diag_stream_close(&d->stream);
    close(pair[1]);
    aivo_diagnose_destroy(d);
    return 0;
}
