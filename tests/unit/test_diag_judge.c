#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "comma.h"
#include "diag/httpdate.h"
#include "diag/judge.h"
#include "diag/token.h"
#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct diag_target server = {
    .host = "srv.example", .port = 4003, .socketio = true, .path = "/socket.io/", .nsp = "/", .timeout_ms = 5000};

static struct diag_report report;

static void begin(enum aivo_diagnose_stage stage)
{
    diag_report_init(&report);
    diag_stage_fill(&report, stage);
}

/* The stage's worst finding ("" is none), and that code, reason and fix are all there. Ends the report. */
static void expect(enum aivo_diagnose_stage stage, enum aivo_diagnose_status status, const char *code,
                   const char *in_reason)
{
    const struct aivo_diagnose_result *r = diag_stage_end(&report, stage, 0, 1, NULL);
    if (r->status != status || strcmp(r->code, code) != 0 || !strstr(r->reason, in_reason))
        fail_msg("%s, %s: %s", aivo_diagnose_status_name(r->status), r->code, r->reason);
    assert_true(*r->reason != 0);
    assert_true((*r->fix != 0) == (status != AIVO_DIAGNOSE_OK));
    diag_report_free(&report);
}

static double fact(enum aivo_diagnose_stage stage, const char *key)
{
    for (size_t i = 0; i < report.stages[stage].fact_count; i++)
        if (!report.stages[stage].facts[i].list && strcmp(report.stages[stage].facts[i].key, key) == 0)
            return report.stages[stage].facts[i].number;
    fail_msg("no fact %s", key);
    return NAN;
}

/* Names: none, not now, too late, slow, and fine. */
static void test_dns(void **state)
{
    (void)state;
    const struct {
        struct diag_dns facts;
        enum aivo_diagnose_status status;
        const char *code;
    } cases[] = {
        {{.error = DIAG_DNS_NOT_FOUND, .text = "x"}, AIVO_DIAGNOSE_FAIL, "dns-not-found"},
        {{.error = DIAG_DNS_AGAIN, .text = "x"}, AIVO_DIAGNOSE_FAIL, "dns-unavailable"},
        {{.error = DIAG_DNS_OTHER, .text = "x"}, AIVO_DIAGNOSE_FAIL, "dns-failed"},
        {{.how = DIAG_TIMEOUT}, AIVO_DIAGNOSE_FAIL, "dns-timeout"},
        {{.count = 0}, AIVO_DIAGNOSE_FAIL, "dns-failed"},
        {{.count = 1, .address = {{"192.0.2.1", false}}, .time_ms = 900}, AIVO_DIAGNOSE_WARN, "dns-slow"},
        {{.count = 1, .address = {{"192.0.2.1", false}}, .time_ms = 9}, AIVO_DIAGNOSE_OK, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin(AIVO_DIAGNOSE_DNS);
        diag_judge_dns(&report, &server, &cases[i].facts);
        expect(AIVO_DIAGNOSE_DNS, cases[i].status, cases[i].code, "srv.example");
    }
}

static void tcp_case(struct diag_tcp facts, enum aivo_diagnose_status status, const char *code, const char *in_reason)
{
    begin(AIVO_DIAGNOSE_TCP);
    diag_judge_tcp(&report, &server, &facts);
    expect(AIVO_DIAGNOSE_TCP, status, code, in_reason);
}

/* Every way in which addresses fail; of several failures the one that says most is told. */
static void test_tcp(void **state)
{
    (void)state;
#define REFUSED     .how = DIAG_ERROR, .error = ECONNREFUSED, .text = "Connection refused"
#define UNREACHABLE .how = DIAG_ERROR, .error = ENETUNREACH, .text = "Network is unreachable"
    tcp_case((struct diag_tcp){.count = 1, .chosen = -1, .address = {{.at = "192.0.2.1:1", REFUSED}}},
             AIVO_DIAGNOSE_FAIL, "tcp-refused", "192.0.2.1:1");
    tcp_case((struct diag_tcp){.count = 1, .chosen = -1, .address = {{.at = "192.0.2.1:1", .how = DIAG_TIMEOUT}}},
             AIVO_DIAGNOSE_FAIL, "tcp-filtered", "5000 ms");
    tcp_case((struct diag_tcp){.count = 1, .chosen = -1, .address = {{.at = "192.0.2.1:1", UNREACHABLE}}},
             AIVO_DIAGNOSE_FAIL, "tcp-unreachable", "unreachable");
    tcp_case((struct diag_tcp){.count = 1,
                               .chosen = -1,
                               .address = {{.at = "192.0.2.1:1", .how = DIAG_ERROR, .error = EPERM, .text = "no"}}},
             AIVO_DIAGNOSE_FAIL, "tcp-forbidden", "no");
    /* No IPv6 here, and the server is off: the latter is the reason. */
    tcp_case((struct diag_tcp){.count = 2,
                               .chosen = -1,
                               .address = {{.at = "[2001:db8::1]:1", .v6 = true, UNREACHABLE},
                                           {.at = "192.0.2.1:1", REFUSED}}},
             AIVO_DIAGNOSE_FAIL, "tcp-refused", "192.0.2.1:1");
    tcp_case((struct diag_tcp){.count = 2,
                               .chosen = -1,
                               .address = {{.at = "[2001:db8::1]:1", .v6 = true, UNREACHABLE},
                                           {.at = "192.0.2.1:1", .how = DIAG_TIMEOUT}}},
             AIVO_DIAGNOSE_FAIL, "tcp-filtered", "192.0.2.1:1");
    tcp_case((struct diag_tcp){.count = 2,
                               .chosen = 1,
                               .address = {{.at = "[2001:db8::1]:1", .v6 = true, UNREACHABLE},
                                           {.at = "192.0.2.1:1", .how = DIAG_DONE}}},
             AIVO_DIAGNOSE_WARN, "tcp-ipv6-unusable", "2001:db8::1");
    tcp_case((struct diag_tcp){.count = 2,
                               .chosen = 0,
                               .address = {{.at = "[2001:db8::1]:1", .v6 = true, .how = DIAG_DONE},
                                           {.at = "192.0.2.1:1", REFUSED}}},
             AIVO_DIAGNOSE_WARN, "tcp-ipv4-unusable", "refused");
    tcp_case((struct diag_tcp){.count = 2,
                               .chosen = 0,
                               .address = {{.at = "192.0.2.1:1", .how = DIAG_DONE, .time_ms = 12.3},
                                           {.at = "192.0.2.2:1", REFUSED}}},
             AIVO_DIAGNOSE_WARN, "tcp-address-down", "1 of 2");
    tcp_case((struct diag_tcp){.count = 1,
                               .chosen = 0,
                               .address = {{.at = "192.0.2.1:1", .how = DIAG_DONE, .time_ms = 12.3}}},
             AIVO_DIAGNOSE_OK, "", "12 ms");
}

#define DAY INT64_C(86400000)

static void tls_case(struct diag_tls facts, enum aivo_diagnose_status status, const char *code, const char *in_reason)
{
    facts.now_ms = 20000 * DAY;
    begin(AIVO_DIAGNOSE_TLS);
    diag_judge_tls(&report, &server, &facts, 21);
    expect(AIVO_DIAGNOSE_TLS, status, code, in_reason);
}

/* Certificates by their dates: 20000 days after 1970 is 2024-10-04. */
static void test_tls(void **state)
{
    (void)state;
#define CERT(first, last)                                                                                              \
    .version = "TLSv1.3", .cipher = "c", .chain_count = 1, .chain = {                                                  \
        {.subject = "srv", .issuer = "ca", .from_ms = (first)*DAY, .to_ms = (last)*DAY}                                \
    }
    tls_case((struct diag_tls){CERT(19000, 20100)}, AIVO_DIAGNOSE_OK, "", "100 days left");
    tls_case((struct diag_tls){CERT(19000, 20020)}, AIVO_DIAGNOSE_WARN, "tls-expires-soon", "20 days, on 2024-10-24");
    tls_case((struct diag_tls){CERT(19000, 20021)}, AIVO_DIAGNOSE_OK, "", "21 days left");
    tls_case((struct diag_tls){CERT(19000, 19999), .fault = DIAG_TLS_EXPIRED, .how = DIAG_ERROR}, AIVO_DIAGNOSE_FAIL,
             "tls-expired", "2024-10-03");
    tls_case((struct diag_tls){CERT(20001, 20002), .fault = DIAG_TLS_NOT_YET, .how = DIAG_ERROR}, AIVO_DIAGNOSE_FAIL,
             "tls-not-yet-valid", "2024-10-05");
    tls_case((struct diag_tls){CERT(19000, 19999), .insecure = true}, AIVO_DIAGNOSE_WARN, "tls-expired-unchecked",
             "nothing is checked");
    tls_case((struct diag_tls){CERT(19000, 20100), .insecure = true}, AIVO_DIAGNOSE_WARN, "tls-unchecked",
             "not checked");
    tls_case((struct diag_tls){CERT(19000, 20100), .fault = DIAG_TLS_UNKNOWN_CA, .how = DIAG_ERROR}, AIVO_DIAGNOSE_FAIL,
             "tls-unknown-ca", "\"ca\"");
    tls_case((struct diag_tls){.how = DIAG_TIMEOUT}, AIVO_DIAGNOSE_FAIL, "tls-timeout", "5000 ms");
    tls_case((struct diag_tls){.how = DIAG_ERROR, .fault = DIAG_TLS_BAD_CERT, .error = "odd"}, AIVO_DIAGNOSE_FAIL,
             "tls-failed", "odd");
    /* An intermediate CA that ends before the server's own certificate. */
    struct diag_tls chain = {CERT(19000, 20100)};
    chain.chain_count = 2;
    chain.chain[1] = (struct diag_cert){.subject = "middle", .issuer = "ca", .to_ms = 20003 * DAY};
    tls_case(chain, AIVO_DIAGNOSE_WARN, "tls-expires-soon", "\"middle\" expires in 3 days");
}

static void auth_case(const char *token_json, struct diag_auth facts, enum aivo_diagnose_status status,
                      const char *code, const char *in_reason)
{
    facts.token = (struct diag_token){0};
    if (token_json)
        diag_token_find(token_json, NULL, &facts.token);
    facts.auth_given = token_json != NULL;
    begin(AIVO_DIAGNOSE_AUTH);
    diag_judge_auth(&report, &server, &facts);
    expect(AIVO_DIAGNOSE_AUTH, status, code, in_reason);
}

#define NOW_S     INT64_C(1700000000)
#define BASE      .now_ms = NOW_S * 1000, .skew_s = NAN
#define REFUSED44 .refused = true, .message = "Invalid authentication token"
/* {"alg":"HS256"} . {"userId":"u1","exp":...,} . x */
/* An hour ago, and in an hour. */
#define EXPIRED "{\"token\":\"eyJhbGciOiJIUzI1NiJ9.eyJ1c2VySWQiOiJ1MSIsImV4cCI6MTY5OTk5NjQwMH0.eA\"}"
#define FRESH   "{\"token\":\"eyJhbGciOiJIUzI1NiJ9.eyJ1c2VySWQiOiJ1MSIsImV4cCI6MTcwMDAwMzYwMH0.eA\"}"

/* A second ago, and a second more than the leeway. */
#define JUST_OVER "{\"token\":\"eyJhbGciOiJIUzI1NiJ9.eyJ1c2VySWQiOiJ1MSIsImV4cCI6MTY5OTk5OTk5OX0.eA\"}"
#define OVER      "{\"token\":\"eyJhbGciOiJIUzI1NiJ9.eyJ1c2VySWQiOiJ1MSIsImV4cCI6MTY5OTk5OTkzOX0.eA\"}"

/* The same refusal means something else with every token and clock. */
static void test_auth(void **state)
{
    (void)state;
    auth_case(NULL, (struct diag_auth){BASE, .refused = true, .message = "Authentication token required"},
              AIVO_DIAGNOSE_FAIL, "credentials-missing", "none were given");
    auth_case(EXPIRED, (struct diag_auth){BASE, REFUSED44}, AIVO_DIAGNOSE_FAIL, "token-expired", "60 min ago");
    auth_case(EXPIRED, (struct diag_auth){BASE, .connected = true}, AIVO_DIAGNOSE_WARN, "token-expired-accepted",
              "accepts");
    auth_case(FRESH, (struct diag_auth){BASE, REFUSED44}, AIVO_DIAGNOSE_FAIL, "token-refused", "in date");
    /* Over, but by less than servers forgive: with another secret that is no reason, without leeway it is. */
    auth_case(JUST_OVER, (struct diag_auth){BASE, REFUSED44}, AIVO_DIAGNOSE_FAIL, "token-refused",
              "out of date by less than the 60 s");
    auth_case(OVER, (struct diag_auth){BASE, REFUSED44}, AIVO_DIAGNOSE_FAIL, "token-expired", "61 s ago");
    auth_case(FRESH, (struct diag_auth){BASE, .connected = true}, AIVO_DIAGNOSE_OK, "", "as u1");
    auth_case(FRESH, (struct diag_auth){.now_ms = NOW_S * 1000, .skew_s = 7200, REFUSED44}, AIVO_DIAGNOSE_FAIL,
              "clock-skew", "2 h ahead");
    auth_case(FRESH, (struct diag_auth){.now_ms = NOW_S * 1000, .skew_s = -40, .connected = true}, AIVO_DIAGNOSE_WARN,
              "clock-skew", "40 s behind");
    auth_case(NULL, (struct diag_auth){BASE, .refused = true, .message = "Invalid namespace"}, AIVO_DIAGNOSE_FAIL,
              "namespace-unknown", "\"/\"");
    auth_case(NULL, (struct diag_auth){BASE, .old_protocol = true}, AIVO_DIAGNOSE_FAIL, "engineio-version",
              "Engine.IO 3");
    auth_case(NULL, (struct diag_auth){BASE, .how = DIAG_TIMEOUT}, AIVO_DIAGNOSE_FAIL, "connect-timeout", "5000 ms");
    auth_case(NULL, (struct diag_auth){BASE, .how = DIAG_END, .close_code = 1008}, AIVO_DIAGNOSE_FAIL, "connect-closed",
              "1008");
}

/* Where a token is looked for, and what is none. */
static void test_token(void **state)
{
    (void)state;
    struct diag_token t;
    diag_token_find(FRESH, NULL, &t);
    assert_true(t.given && t.jwt && !t.spaces);
    assert_string_equal(t.where, "token");
    assert_string_equal(t.algorithm, "HS256");
    assert_string_equal(t.subject, "u1");
    assert_int_equal(t.exp_s, NOW_S + 3600);
    diag_token_find("{\"x\":1,\"jwt\":\"Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJzMSJ9.eA\"}", NULL, &t);
    assert_true(t.jwt);
    assert_string_equal(t.where, "jwt");
    assert_string_equal(t.subject, "s1");
    diag_token_find("{\"token\":\" eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJzMSJ9.eA\\n\"}", NULL, &t);
    assert_true(t.jwt && t.spaces);
    diag_token_find(NULL, "X: y\nAUTHORIZATION:  bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJzMSJ9.eA", &t);
    assert_true(t.jwt);
    const char *const none[] = {"{\"token\":\"a.b\"}", "{\"token\":\"a.b.c.d\"}", "{\"token\":\"!!.e30.x\"}",
                                "{\"token\":\"e30.e.x\"}", "{\"token\":\"W10.e30.x\"}"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        diag_token_find(none[i], NULL, &t);
        assert_true(t.given && !t.jwt);
    }
    const char *const absent[] = {"{}", "{\"token\":\"\"}", "{\"token\":7}", "{\"name\":\"a.b.c\"}", "[]"};
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) {
        diag_token_find(absent[i], "Authorization: Basic eDp5", &t);
        assert_false(t.given);
    }
}

/* Dates and waits of HTTP. */
static void test_httpdate(void **state)
{
    (void)state;
    const char *date = "Sun, 06 Nov 1994 08:49:37 GMT", *leap = "Thu, 29 Feb 2024 23:59:59 GMT";
    assert_true(diag_http_date(date, 29) == INT64_C(784111777000));
    assert_true(diag_http_date(leap, 29) == INT64_C(1709251199000));
    const char *const bad[] = {"Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 Nov 1994 24:49:37 GMT",
                               "Sun, 32 Nov 1994 08:49:37 GMT", "Sun, 06 Nox 1994 08:49:37 GMT",
                               "Sun, 06 Nov 1969 08:49:37 GMT", "Sun; 06 Nov 1994 08:49:37 GMT",
                               "Sun, 06 Nov 19x4 08:49:37 GMT"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_true(diag_http_date(bad[i], 29) == 0);
    assert_true(diag_http_date(date, 28) == 0);
    assert_true(diag_retry_after("120", 3, 0) == 120);
    assert_true(diag_retry_after(date, 29, INT64_C(784111777000) - 5000) == 5);
    assert_true(diag_retry_after(date, 29, INT64_C(784111777000) + 5000) == 0);
    assert_true(isnan(diag_retry_after("soon", 4, 0)) && isnan(diag_retry_after("", 0, 0)));
    assert_true(isnan(diag_http_number("1234567890123456", 16)) && isnan(diag_http_number("-1", 2)));
}

static struct aivo_quality fair(double mean_ms)
{
    return (struct aivo_quality){.level = mean_ms < 100   ? AIVO_LEVEL_EXCELLENT
                                          : mean_ms < 250 ? AIVO_LEVEL_GOOD
                                                          : AIVO_LEVEL_FAIR,
                                 .score = 50,
                                 .samples = 10,
                                 .p50_ms = mean_ms,
                                 .p95_ms = mean_ms,
                                 .loss_pct = 0,
                                 .loss_high_pct = 28,
                                 .network_ms = mean_ms,
                                 .edge_ms = 0,
                                 .handler_ms = NAN,
                                 .clock_offset_ms = NAN};
}

static void probes_case(struct diag_probes facts, enum aivo_diagnose_status status, const char *code,
                        const char *in_reason)
{
    begin(AIVO_DIAGNOSE_PROBES);
    diag_judge_probes(&report, &server, &facts);
    if (facts.quality.samples > 0)
        assert_true(fact(AIVO_DIAGNOSE_PROBES, "p50_ms") == facts.quality.p50_ms);
    expect(AIVO_DIAGNOSE_PROBES, status, code, in_reason);
}

/* What is measured, and what is worth a word. */
static void test_probes(void **state)
{
    (void)state;
    struct diag_probes f = {.sent = 10, .quality = fair(20)};
    probes_case(f, AIVO_DIAGNOSE_OK, "", "median 20 ms");
    f.quality.handler_ms = 100;
    probes_case(f, AIVO_DIAGNOSE_WARN, "handler-slow", "100 ms");
    f.quality.handler_ms = 99;
    probes_case(f, AIVO_DIAGNOSE_OK, "", "median");
    f.quality.clock_offset_ms = -31000;
    probes_case(f, AIVO_DIAGNOSE_WARN, "clock-skew", "31 s behind");
    f.quality = fair(20);
    f.quality.loss_pct = 10;
    f.quality.lost = 1;
    probes_case(f, AIVO_DIAGNOSE_WARN, "packet-loss", "10 % of the round trips lost a packet");
    f.quality = fair(300);
    f.quality.cause_count = 1;
    f.quality.causes[0] = (struct aivo_quality_cause){AIVO_CAUSE_NETWORK_LATENCY, 45};
    probes_case(f, AIVO_DIAGNOSE_WARN, "latency", "300 ms");
    f.quality.causes[0].cause = AIVO_CAUSE_EDGE;
    probes_case(f, AIVO_DIAGNOSE_WARN, "edge-slow", "behind the first TCP peer");
    f.dead = true;
    probes_case(f, AIVO_DIAGNOSE_FAIL, "connection-dead", "10 answers");
    probes_case((struct diag_probes){.sent = 2, .how = DIAG_TIMEOUT}, AIVO_DIAGNOSE_FAIL, "probes-unanswered",
                "2 sent");
    probes_case((struct diag_probes){.sent = 2, .how = DIAG_END, .close_code = 1001}, AIVO_DIAGNOSE_FAIL,
                "connection-lost", "1001");
}

/* What peers send becomes one line of UTF-8, and is cut at a character's edge. */
static void test_texts(void **state)
{
    (void)state;
    char longer[700];
    begin(AIVO_DIAGNOSE_HTTP);
    assert_string_equal(diag_text(&report, "a\nb\x01\xc3(\xff\xc3\xa4\x7f\xc2\x9b"),
                        "a b?\xef\xbf\xbd(\xef\xbf\xbd\xc3\xa4??");
    for (size_t i = 0; i + 1 < sizeof longer; i += 2)
        memcpy(longer + i, "\xc3\xa4", 2);
    longer[698] = 0;
    for (int shift = 0; shift < 2; shift++) {
        const char *cut = diag_text(&report, "%.*s%s", shift, "x", longer);
        size_t len = strlen(cut);
        assert_true(len <= DIAG_TEXT - 1 && len >= DIAG_TEXT - 3);
        assert_null(strstr(cut, "\xef\xbf\xbd"));
    }
    diag_report_free(&report);
}

/* Bounds: findings and facts beyond them are dropped, failures stand first. */
static void test_bounds(void **state)
{
    (void)state;
    begin(AIVO_DIAGNOSE_HTTP);
    for (int i = 0; i < 600; i++)
        diag_fact_number(&report, "n", i);
    diag_warn(&report, "w", "fix", "a warning");
    diag_fail(&report, AIVO_DIAGNOSE_REFUSED, "f1", "fix", "a failure");
    for (int i = 0; i < 20; i++)
        diag_fail(&report, AIVO_DIAGNOSE_NO_CONNECTION, "f2", "fix", "another");
    const struct aivo_diagnose_result *r = diag_stage_end(&report, AIVO_DIAGNOSE_HTTP, 0, 1, NULL);
    assert_int_equal(r->fact_count, DIAG_FACTS);
    assert_int_equal(r->finding_count, DIAG_FINDINGS);
    assert_string_equal(r->code, "f1");
    assert_string_equal(r->findings[DIAG_FINDINGS - 1].code, "w");
    diag_report_conclude(&report);
    assert_int_equal(report.out.exit_code, 3);
    assert_int_equal(report.out.culprit, AIVO_DIAGNOSE_HTTP);
    diag_report_free(&report);
}

/* Numbers read the same in every locale. */
static void test_numbers(void **state)
{
    (void)state;
    char text[DIAG_SPAN_TEXT];
    comma_begin();
    assert_string_equal(diag_ms(text, 0.04), "0.0");
    assert_string_equal(diag_ms(text, 1.25), "1.3");
    assert_string_equal(diag_ms(text, 9.99), "10.0");
    assert_string_equal(diag_ms(text, 1234.4), "1234");
    assert_string_equal(diag_ms(text, NAN), "?");
    assert_string_equal(diag_ms(text, -1), "?");
    assert_string_equal(diag_span(text, -119), "119 s");
    assert_string_equal(diag_span(text, 7199), "120 min");
    assert_string_equal(diag_span(text, 7200), "2 h");
    assert_string_equal(diag_span(text, 864000), "10 days");
    assert_string_equal(diag_span(text, 1e300), "a very long time");
    comma_end();
}

/* Verdicts: by the level where it is connected, by the first failure where it is not. */
static void test_verdict(void **state)
{
    (void)state;
    const struct {
        enum aivo_level level;
        int exit_code;
    } cases[] = {{AIVO_LEVEL_EXCELLENT, 0},
                 {AIVO_LEVEL_GOOD, 0},
                 {AIVO_LEVEL_FAIR, 1},
                 {AIVO_LEVEL_POOR, 1},
                 {AIVO_LEVEL_OFFLINE, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin(AIVO_DIAGNOSE_PROBES);
        report.out.has_quality = true;
        report.out.quality.level = cases[i].level;
        diag_report_conclude(&report);
        assert_int_equal(report.out.exit_code, cases[i].exit_code);
        assert_true(*report.out.summary != 0);
        diag_report_free(&report);
    }
    begin(AIVO_DIAGNOSE_HTTP);
    diag_report_conclude(&report);
    assert_int_equal(report.out.exit_code, 2);
    diag_report_free(&report);
    for (unsigned i = 0; i < AIVO_DIAGNOSE_STAGES; i++) {
        assert_string_not_equal(aivo_diagnose_stage_name((enum aivo_diagnose_stage)i), "unknown");
        assert_string_not_equal(aivo_diagnose_stage_title((enum aivo_diagnose_stage)i), "Unknown");
    }
    assert_string_equal(aivo_diagnose_stage_name((enum aivo_diagnose_stage)99), "unknown");
}

/* A port that says in HTTP that it speaks TLS; a page for browsers is not repeated. */
static void test_pages(void **state)
{
    (void)state;
    static const char *const bodies[] = {"<html><title>400 The plain HTTP request was sent to HTTPS port</title>",
                                         "Client sent an HTTP request to an HTTPS server.",
                                         "<p>You're speaking plain HTTP to an SSL-enabled server port.",
                                         "<html><title>400 Bad Request</title>", "no such tenant"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct diag_http http = {.how = DIAG_DONE, .status = 400, .retry_after_s = NAN, .limit_remaining = NAN};
        snprintf(http.body, sizeof http.body, "%s", bodies[i]);
        begin(AIVO_DIAGNOSE_HTTP);
        diag_judge_http(&report, &server, &http, NULL);
        const struct aivo_diagnose_result *r = diag_stage_end(&report, AIVO_DIAGNOSE_HTTP, 0, 1, NULL);
        assert_string_equal(r->code, i < 3 ? "http-speaks-tls" : "http-bad-request");
        assert_null(strstr(r->reason, "<html>"));
        assert_int_equal(strstr(r->reason, "no such tenant") != NULL, i == 4);
        diag_report_free(&report);
    }
}

/* What is said to be done fits the case: where a redirect points to, which address refuses, what failed before. */
static void test_fixes(void **state)
{
    (void)state;
    const struct {
        const char *location, *fix;
    } redirects[] = {
        {"https://srv.example/socket.io/", "Use https://"}, {"HTTPS://SRV.EXAMPLE", "Use https://"},
        {"https://srv.example.org/", "has moved"},          {"https://login.example/?next=srv.example", "log in"},
        {"http://srv.example/other", "has moved"},          {"", "Find out"}};
    for (size_t i = 0; i < sizeof redirects / sizeof *redirects; i++) {
        struct diag_http http = {.how = DIAG_DONE, .status = 302, .retry_after_s = NAN, .limit_remaining = NAN};
        snprintf(http.location, sizeof http.location, "%s", redirects[i].location);
        begin(AIVO_DIAGNOSE_HTTP);
        diag_judge_http(&report, &server, &http, NULL);
        const char *fix = diag_stage_end(&report, AIVO_DIAGNOSE_HTTP, 0, 1, NULL)->fix;
        if (!strstr(fix, redirects[i].fix))
            fail_msg("%s: %s", redirects[i].location, fix);
        diag_report_free(&report);
    }
    for (int failed = 0; failed < 2; failed++) {
        begin(AIVO_DIAGNOSE_HTTP);
        struct diag_http http = {.how = failed ? DIAG_END : DIAG_DONE, .status = 101};
        http.retry_after_s = http.limit_remaining = NAN;
        diag_judge_http(&report, &server, &http, NULL);
        diag_stage_end(&report, AIVO_DIAGNOSE_HTTP, 0, 1, NULL);
        struct diag_polling polling = {.tried = true, .http = {.how = DIAG_END}};
        diag_stage_fill(&report, AIVO_DIAGNOSE_POLLING);
        diag_judge_polling(&report, &server, &polling);
        const char *fix = diag_stage_end(&report, AIVO_DIAGNOSE_POLLING, 0, 1, NULL)->fix;
        assert_non_null(strstr(fix, failed ? "failed as well" : "do not need it"));
        diag_report_free(&report);
    }
    for (int six = 0; six < 2; six++) {
        struct diag_tcp tcp = {.count = 1, .chosen = -1};
        snprintf(tcp.address[0].at, sizeof tcp.address[0].at, six ? "[::1]:9" : "127.0.0.1:9");
        tcp.address[0].how = DIAG_ERROR;
        tcp.address[0].error = ECONNREFUSED;
        begin(AIVO_DIAGNOSE_TCP);
        diag_judge_tcp(&report, &server, &tcp);
        const char *fix = diag_stage_end(&report, AIVO_DIAGNOSE_TCP, 0, 1, NULL)->fix;
        assert_int_equal(strstr(fix, "IPv4 alone") != NULL, six);
        diag_report_free(&report);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dns),     cmocka_unit_test(test_fixes),    cmocka_unit_test(test_pages),
        cmocka_unit_test(test_tcp),     cmocka_unit_test(test_tls),      cmocka_unit_test(test_auth),
        cmocka_unit_test(test_token),   cmocka_unit_test(test_httpdate), cmocka_unit_test(test_probes),
        cmocka_unit_test(test_texts),   cmocka_unit_test(test_bounds),   cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_verdict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
