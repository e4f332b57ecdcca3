#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "render.h"
#include <cjson/cJSON.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define JWT "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1In0.c2lnbmF0dXJl"

/* A report with everything that a renderer has to cope with: hostile texts, lists, unknown figures, several findings.
 */
static struct aivo_diagnose_finding findings[] = {
    {AIVO_DIAGNOSE_FAIL, "tls-expired", "the certificate of a|b `c` <d> expired", "Renew it."},
    {AIVO_DIAGNOSE_WARN, "tls-weak", "TLS 1.0", "Ask for 1.2."},
};
static struct aivo_diagnose_fact tls_facts[] = {
    {NULL, 0, "version", AIVO_DIAGNOSE_TEXT, "TLSv1.3", 0, false},
    {"chain", 0, "subject", AIVO_DIAGNOSE_TEXT, "CN=\"a\\b\"", 0, false},
    {"chain", 0, "days_left", AIVO_DIAGNOSE_NUMBER, NULL, -3, false},
    {NULL, 0, "days_left", AIVO_DIAGNOSE_NUMBER, NULL, 9, false},
    {"chain", 1, "subject", AIVO_DIAGNOSE_TEXT, "CN=ca", 0, false},
    {NULL, 0, "checked", AIVO_DIAGNOSE_BOOL, NULL, 0, true},
    {NULL, 0, "token_expires_in_s", AIVO_DIAGNOSE_NUMBER, NULL, (double)NAN, false},
};
static struct aivo_diagnose_fact auth_facts[] = {
    {NULL, 0, "sid", AIVO_DIAGNOSE_TEXT, "s3ss10n", 0, false},
    {NULL, 0, "token_subject", AIVO_DIAGNOSE_TEXT, "anna", 0, false},
};
static struct aivo_diagnose_result stages[AIVO_DIAGNOSE_STAGES];

static struct aivo_diagnose_report report_of(enum aivo_diagnose_verdict verdict)
{
    for (int i = 0; i < AIVO_DIAGNOSE_STAGES; i++) {
        stages[i] = (struct aivo_diagnose_result){.stage = (enum aivo_diagnose_stage)i,
                                                  .status = AIVO_DIAGNOSE_OK,
                                                  .start_ms = i,
                                                  .time_ms = 1.5,
                                                  .code = "",
                                                  .reason = "fine",
                                                  .fix = ""};
    }
    stages[AIVO_DIAGNOSE_PROXY].status = AIVO_DIAGNOSE_SKIP;
    stages[AIVO_DIAGNOSE_PROXY].start_ms = stages[AIVO_DIAGNOSE_PROXY].time_ms = NAN;
    stages[AIVO_DIAGNOSE_PROXY].code = "not-needed";
    stages[AIVO_DIAGNOSE_TLS].facts = tls_facts;
    stages[AIVO_DIAGNOSE_TLS].fact_count = sizeof(tls_facts) / sizeof(tls_facts[0]);
    stages[AIVO_DIAGNOSE_AUTH].facts = auth_facts;
    stages[AIVO_DIAGNOSE_AUTH].fact_count = 2;
    stages[AIVO_DIAGNOSE_AUTH].reason = "connected as anna, not as annabel, with token=" JWT;
    if (verdict >= AIVO_DIAGNOSE_NO_CONNECTION) {
        stages[AIVO_DIAGNOSE_TLS].status = AIVO_DIAGNOSE_FAIL;
        stages[AIVO_DIAGNOSE_TLS].code = findings[0].code;
        stages[AIVO_DIAGNOSE_TLS].reason = findings[0].reason;
        stages[AIVO_DIAGNOSE_TLS].fix = findings[0].fix;
        stages[AIVO_DIAGNOSE_TLS].findings = findings;
        stages[AIVO_DIAGNOSE_TLS].finding_count = 2;
    }
    struct aivo_diagnose_report report = {.size = sizeof(report),
                                          .time_ms = 1767225599123,
                                          .duration_ms = 1234.5678,
                                          .url = "https://me:hunter2@h/x?token=abc",
                                          .verdict = verdict,
                                          .exit_code = (int)verdict,
                                          .summary =
                                              verdict <= AIVO_DIAGNOSE_DEGRADED ? "Connected" : "TLS failed: a|b",
                                          .fix = verdict <= AIVO_DIAGNOSE_DEGRADED ? "" : "Renew it.",
                                          .culprit = verdict <= AIVO_DIAGNOSE_DEGRADED ? -1 : AIVO_DIAGNOSE_TLS,
                                          .has_quality = verdict <= AIVO_DIAGNOSE_DEGRADED,
                                          .stages = stages,
                                          .stage_count = AIVO_DIAGNOSE_STAGES};
    report.quality = (struct aivo_quality){.level = AIVO_LEVEL_GOOD,
                                           .score = 72,
                                           .latency_ms = 110,
                                           .avg_latency_ms = 120,
                                           .min_latency_ms = 100,
                                           .p50_ms = 112.25,
                                           .p95_ms = 180,
                                           .p99_ms = 200,
                                           .jitter_ms = 14,
                                           .loss_pct = 7.5,
                                           .loss_low_pct = 2,
                                           .loss_high_pct = 20,
                                           .uplink_loss_pct = NAN,
                                           .downlink_loss_pct = NAN,
                                           .stable_known = true,
                                           .stable = true,
                                           .network_ms = 90,
                                           .edge_ms = 20,
                                           .handler_ms = NAN,
                                           .clock_offset_ms = NAN,
                                           .samples = 40,
                                           .lost = 3,
                                           .loss_samples = 40,
                                           .loss_source = AIVO_LOSS_TCP,
                                           .cause_count = 1,
                                           .causes = {{AIVO_CAUSE_LOSS, 28}}};
    return report;
}

static char *text;
static size_t text_len;

static FILE *begin(void)
{
    free(text);
    text = NULL;
    return open_memstream(&text, &text_len);
}

static int free_text(void **state)
{
    (void)state;
    free(text);
    text = NULL;
    return 0;
}

static void no_secret(void)
{
    assert_null(strstr(text, "hunter2"));
    assert_null(strstr(text, "eyJ"));
    assert_null(strstr(text, "token=abc"));
}

static void assert_cleaned(const char *dirty, const char *clean)
{
    char out[256];
    assert_string_equal(aivo_render_clean(dirty, out, sizeof(out)), clean);
}

/* What is secret goes, in the forms in which it comes; sentences that only speak of it stay. */
static void test_clean(void **state)
{
    (void)state;
    assert_cleaned("", "");
    assert_cleaned("nothing here", "nothing here");
    assert_cleaned("a " JWT " b", "a [removed] b");
    assert_cleaned("\"" JWT "\"", "\"[removed]\"");
    assert_cleaned("http://me:pw@h:1/p", "http://[removed]@h:1/p");
    assert_cleaned("http://h/@path", "http://h/@path");
    assert_cleaned("/x?access_token=s3cr3t&a=b", "/x?access_token=[removed]&a=b");
    assert_cleaned("Authorization: Bearer abc.def==", "Authorization: Bearer [removed]");
    assert_cleaned("Bearer abcdefgh", "Bearer [removed]");
    assert_cleaned("{\"password\": \"x y\"}", "{\"password\": \"[removed] y\"}");
    assert_cleaned("{\"token\":\"x\"}", "{\"token\":\"[removed]\"}");
    assert_cleaned("the token expired; a token: none", "the token expired; a token: none");
    assert_cleaned("broken=1", "broken=1");
    assert_cleaned("Bearer of bad news", "Bearer of bad news");
    assert_cleaned("a\nb\033[31m\x7f", "a?b?[31m?");
    char small[8];
    assert_string_equal(aivo_render_clean("1234567890", small, sizeof(small)), "1234567");
    assert_string_equal(aivo_render_clean("12345\xc3\xa4\xc3\xa4", small, sizeof(small)), "12345\xc3\xa4");
    assert_string_equal(aivo_render_clean("a token=x", small, sizeof(small)), "a ");
}

/* JSON is one line that a parser reads; lists become arrays, what is not known null; nothing breaks out of a string. */
static void test_json(void **state)
{
    (void)state;
    for (int verdict = 0; verdict < 4; verdict++) {
        struct aivo_diagnose_report report = report_of((enum aivo_diagnose_verdict)verdict);
        FILE *out = begin();
        aivo_render_json(out, &report);
        fclose(out);
        assert_null(strchr(text, '\n'));
        no_secret();
        cJSON *tree = cJSON_Parse(text);
        assert_non_null(tree);
        assert_int_equal(cJSON_GetObjectItem(tree, "exit_code")->valueint, verdict);
        assert_string_equal(cJSON_GetObjectItem(tree, "url")->valuestring, "https://[removed]@h/x?token=[removed]");
        assert_int_equal(cJSON_IsNull(cJSON_GetObjectItem(tree, "quality")), verdict >= 2);
        assert_int_equal(cJSON_IsNull(cJSON_GetObjectItem(tree, "culprit")), verdict < 2);
        const cJSON *tls = cJSON_GetArrayItem(cJSON_GetObjectItem(tree, "stages"), AIVO_DIAGNOSE_TLS);
        const cJSON *facts = cJSON_GetObjectItem(tls, "facts");
        const cJSON *chain = cJSON_GetObjectItem(facts, "chain");
        assert_int_equal(cJSON_GetArraySize(facts), 5); /* chain once */
        assert_int_equal(cJSON_GetArraySize(chain), 2);
        assert_string_equal(cJSON_GetObjectItem(cJSON_GetArrayItem(chain, 0), "subject")->valuestring, "CN=\"a\\b\"");
        assert_int_equal(cJSON_GetObjectItem(cJSON_GetArrayItem(chain, 0), "days_left")->valueint, -3);
        assert_true(cJSON_IsNull(cJSON_GetObjectItem(facts, "token_expires_in_s")));
        assert_true(cJSON_IsTrue(cJSON_GetObjectItem(facts, "checked")));
        assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(tls, "findings")), verdict >= 2 ? 2 : 0);
        cJSON_Delete(tree);
    }
}

/* Markdown: what comes from a peer is no markup, and who somebody is is left out, in sentences as well. */
static void test_markdown(void **state)
{
    (void)state;
    struct aivo_diagnose_report report = report_of(AIVO_DIAGNOSE_REFUSED);
    FILE *out = begin();
    aivo_render_markdown(out, &report);
    fclose(out);
    no_secret();
    assert_non_null(strstr(text, "the certificate of a\\|b \\`c\\` &lt;d> expired<br>→ Renew it.<br>warn: TLS 1.0"));
    assert_non_null(strstr(text, "connected as \\[removed\\], not as annabel, with token="));
    assert_null(strstr(text, "s3ss10n"));
    assert_non_null(strstr(text, "chain[0].days_left: -3\n"));
    assert_non_null(strstr(text, "**What to do first:** Renew it."));
    assert_null(strstr(text, "**Quality"));
    report = report_of(AIVO_DIAGNOSE_GOOD);
    out = begin();
    aivo_render_markdown(out, &report);
    fclose(out);
    assert_non_null(strstr(text, "| median | 112.25 ms |"));
    assert_null(strstr(text, "handler |")); /* not known: not in the table */
}

/* Lines of text for a terminal of any width: never wider than it unless a word is, colours only where wanted. */
static void test_text(void **state)
{
    (void)state;
    struct aivo_diagnose_report report = report_of(AIVO_DIAGNOSE_NO_CONNECTION);
    for (size_t columns = 60; columns < 200; columns += 7) {
        struct aivo_render_look look = {.columns = columns, .unicode = true, .explain = columns % 2 == 0};
        FILE *out = begin();
        aivo_render_text(out, &report, &look);
        fclose(out);
        no_secret();
        assert_null(strchr(text, '\033'));
        for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
            size_t wide = 0;
            for (const char *c = line; *c && *c != '\n'; c++) {
                wide += ((unsigned char)*c & 0xc0) != 0x80;
            }
            assert_true(wide < columns);
        }
    }
    struct aivo_render_look look = {.colour = true};
    FILE *out = begin();
    aivo_render_text(out, &report, &look);
    fclose(out);
    assert_non_null(
        strstr(text, "  \033[1;31mfail\033[0m  TLS                          1.50 ms  the certificate of a|b "));
    assert_non_null(strstr(text, "        -> Renew it.\n        warn: TLS 1.0\n        -> Ask for 1.2.\n"));
    assert_non_null(strstr(text, "\033[1;31mno connection: TLS failed: a|b\n\033[0mWhat to do first: Renew it.\n"));
    report = report_of(AIVO_DIAGNOSE_DEGRADED);
    out = begin();
    aivo_render_text(out, &report, &(struct aivo_render_look){.columns = 0});
    fclose(out);
    assert_non_null(
        strstr(text, "  round trip      median 112 ms, 95 % below 180 ms, 99 % below 200 ms, jitter 14.0 ms\n"));
    assert_non_null(strstr(text, "  loss            7.5% (95 % sure: 2.0-20.0)\n"));
    assert_non_null(strstr(text, "  where it goes   network 90.0 ms, edge 20.0 ms\n"));
    assert_non_null(strstr(text, "  points off      loss 28\n"));
}

static int nagios(enum aivo_diagnose_verdict verdict, const char *warn, const char *crit)
{
    struct aivo_diagnose_report report = report_of(verdict);
    struct aivo_render_limits w, c;
    const char *error;
    aivo_render_limits_init(&w);
    aivo_render_limits_init(&c);
    assert_true(!warn || aivo_render_limits_parse(warn, &w, &error));
    assert_true(!crit || aivo_render_limits_parse(crit, &c, &error));
    FILE *out = begin();
    int code = aivo_render_nagios(out, &report, &w, &c);
    fclose(out);
    assert_ptr_equal(strchr(text, '\n'), text + text_len - 1); /* one line */
    char *bar = strchr(text, '|');
    assert_non_null(bar);
    assert_null(strchr(bar + 1, '|'));
    return code;
}

/* Nagios' code: by the verdict, by limits that are reached, from above for the score and the certificate's days. */
static void test_nagios(void **state)
{
    (void)state;
    assert_int_equal(nagios(AIVO_DIAGNOSE_GOOD, NULL, NULL), 0);
    assert_string_equal(
        text, "AIVO OK - Good, score 72, round trip 112 ms, loss 7.5 % | rtt_p50=112.25ms;;;0; rtt_p95=180ms;;;0; "
              "rtt_p99=200ms;;;0; jitter=14ms;;;0; loss=7.5%;;;0;100 score=72;;;0;100 cert_days=9;;;; "
              "time=1234.568ms;;;0;\n");
    assert_int_equal(nagios(AIVO_DIAGNOSE_DEGRADED, NULL, NULL), 1);
    assert_int_equal(nagios(AIVO_DIAGNOSE_DEGRADED, "500", "1000"), 0); /* limits replace the level */
    assert_int_equal(nagios(AIVO_DIAGNOSE_GOOD, "100,5%", "500,20%"), 1);
    assert_non_null(strstr(text, "; round trip 112 ms deserves a warning; loss 7.50 % deserves a warning"));
    assert_non_null(strstr(text, "rtt_p50=112.25ms;100;500;0; "));
    assert_int_equal(nagios(AIVO_DIAGNOSE_GOOD, "100", "rtt=112.25"), 2);
    assert_int_equal(nagios(AIVO_DIAGNOSE_GOOD, "score=72", NULL), 1);
    assert_int_equal(nagios(AIVO_DIAGNOSE_GOOD, "score=71", NULL), 0);
    assert_int_equal(nagios(AIVO_DIAGNOSE_GOOD, "cert=21", "cert=10"), 2);
    assert_non_null(strstr(text, "cert_days=9;21:;10:;;"));
    assert_int_equal(nagios(AIVO_DIAGNOSE_NO_CONNECTION, NULL, NULL), 2);
    assert_non_null(strstr(text, "AIVO CRITICAL - TLS failed: a/b | "));
    assert_int_equal(nagios(AIVO_DIAGNOSE_REFUSED, NULL, NULL), 2);
}

/* A stage that warns is a warning; the round trips' own warning only while no limits judge them. */
static void test_nagios_stages(void **state)
{
    (void)state;
    for (int stage = AIVO_DIAGNOSE_DNS; stage <= AIVO_DIAGNOSE_POLLING; stage++) {
        for (int limited = 0; limited < 2; limited++) {
            struct aivo_diagnose_report report = report_of(AIVO_DIAGNOSE_GOOD);
            struct aivo_render_limits warn, crit;
            aivo_render_limits_init(&warn);
            aivo_render_limits_init(&crit);
            warn.rtt_ms = limited ? 1000 : (double)NAN;
            stages[stage].status = AIVO_DIAGNOSE_WARN;
            stages[stage].reason = "look at this";
            FILE *out = begin();
            int code = aivo_render_nagios(out, &report, &warn, &crit);
            fclose(out);
            bool counts = stage != AIVO_DIAGNOSE_PROBES || !limited;
            assert_int_equal(code, counts);
            assert_int_equal(strstr(text, "; look at this | ") != NULL, counts);
        }
    }
}

/* Limits that make no sense are named, whatever is wrong with them. */
static void test_limits(void **state)
{
    (void)state;
    static const char *const bad[] = {"",    ",",    "100,",   "x",   "rtt", "rtt=", "foo=1",      "1.2.3",        "-5",
                                      "5%%", "101%", "rtt=5%", "inf", "1e3", ".5",   "loss=100.5", "9999999999999"};
    struct aivo_render_limits limits;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *error = NULL;
        assert_false(aivo_render_limits_parse(bad[i], &limits, &error));
        assert_non_null(error);
    }
    const char *error;
    assert_true(aivo_render_limits_parse("0.5,loss=2.25,jitter=1,p95=3", &limits, &error));
    assert_true(limits.rtt_ms == 0.5 && limits.loss_pct == 2.25 && limits.jitter_ms == 1 && limits.p95_ms == 3);
    assert_true(isnan(limits.score));
}

/* Prometheus: each metric once with its help and all its targets; no sample of what is not known; labels escaped. */
static void test_prometheus(void **state)
{
    (void)state;
    struct aivo_diagnose_report good = report_of(AIVO_DIAGNOSE_GOOD);
    const struct aivo_diagnose_report *reports[] = {&good, NULL};
    const char *const targets[] = {"https://a\"b\\", "https://me:pw@c"};
    FILE *out = begin();
    aivo_render_prometheus(out, reports, targets, 2);
    fclose(out);
    assert_non_null(strstr(text, "aivo_probe_success{target=\"https://a\\\"b\\\\\"} 1\n"
                                 "aivo_probe_success{target=\"https://[removed]@c\"} 0\n"));
    assert_non_null(strstr(text, "aivo_probe_rtt_p50_seconds{target=\"https://a\\\"b\\\\\"} 0.11225\n"));
    assert_non_null(strstr(text, "aivo_probe_time_seconds{target=\"https://a\\\"b\\\\\"} 1767225599.123\n"));
    assert_non_null(strstr(text, "aivo_probe_certificate_remaining_seconds{target=\"https://a\\\"b\\\\\"} 777600\n"));
    assert_non_null(strstr(text, ",stage=\"dns\"} 0\n"));
    assert_null(strstr(text, ",stage=\"proxy\"}")); /* skipped */
    assert_null(strstr(text, "handler"));           /* not known */
    assert_null(strstr(text, "nan"));
    const char *line = text;
    size_t heads = 0;
    for (; *line; line += strcspn(line, "\n") + 1) {
        heads += strncmp(line, "# TYPE aivo_probe_success ", 26) == 0;
    }
    assert_int_equal(heads, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean),  cmocka_unit_test(test_json),       cmocka_unit_test(test_markdown),
        cmocka_unit_test(test_text),   cmocka_unit_test(test_nagios),     cmocka_unit_test(test_nagios_stages),
        cmocka_unit_test(test_limits), cmocka_unit_test(test_prometheus),
    };
    return cmocka_run_group_tests(tests, NULL, free_text);
}
