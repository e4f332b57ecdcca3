/* The parts of aivo-monitor that need no display. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "alert-policy.h"
#include "bundle.h"
#include "comma.h"
#include "credential.h"
#include "describe.h"
#include "event-log.h"
#include "profile-store.h"
#include "profile.h"
#include "report.h"
#include "tar-file.h"
#include <cjson/cJSON.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define LABEL_63 "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabc"

/* What people type as an address: each mistake is named, and what is right has none. */
static void test_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        gboolean fine;
    } cases[] = {
        {"http://127.0.0.1:4003", TRUE},
        {"wss://host.example/?x=1", TRUE},
        {"http://host/nope", FALSE}, /* Socket.IO has its path elsewhere */
        {"http://a." LABEL_63 ".org", TRUE},
        {"http://a." LABEL_63 "x.org", FALSE},
        {"HTTPS://[::1]:1", TRUE},
        {"", FALSE},
        {"host:4003", FALSE},
        {"ftp://host", FALSE},
        {"http://", FALSE},
        {"http://user:pw@host", FALSE},
        {"http://host/#x", FALSE},
        {"http://host:0", FALSE},
        {"http://host:99999", FALSE},
        {"http://a b", FALSE},
    };
    g_autoptr(AivoProfile) profile = aivo_profile_new();
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        aivo_profile_set(&profile->url, cases[i].url);
        g_autofree char *problem = aivo_profile_problem(profile, AIVO_FIELD_URL);
        if ((problem == NULL) != cases[i].fine)
            fail_msg("%s: %s", cases[i].url, problem ? problem : "no problem");
    }
}

/* An address that lacks its beginning is offered with it; a path is told where it belongs, but for plain WebSocket. */
static void test_address_words(void **state)
{
    (void)state;
    static const struct {
        const char *url, *says;
    } cases[] = {
        {"example.org:4003", "Must begin with http://, https://, ws:// or wss://: perhaps https://example.org:4003"},
        {"localhost:4003", "Must begin with http://, https://, ws:// or wss://: perhaps http://localhost:4003"},
        {"ftp://host", "Must begin with http://, https://, ws:// or wss://"},
        {"http://127.0.0.1:1/nope", "A path goes under Advanced"},
    };
    g_autoptr(AivoProfile) profile = aivo_profile_new();
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        aivo_profile_set(&profile->url, cases[i].url);
        g_autofree char *problem = aivo_profile_problem(profile, AIVO_FIELD_URL);
        assert_string_equal(problem, cases[i].says);
    }
    profile->plain_websocket = TRUE;
    assert_null(aivo_profile_problem(profile, AIVO_FIELD_URL));
}

/* --url on this machine signs in with the development secret, which servers accept on loopback only; elsewhere with
 * nothing. */
static void test_profile_for(void **state)
{
    (void)state;
    static const struct {
        const char *url, *name;
        AivoAuthMode auth;
    } cases[] = {{"http://127.0.0.1:4003", "This computer", AIVO_AUTH_SIGNED},
                 {"http://127.0.0.1:5000", "127.0.0.1:5000", AIVO_AUTH_SIGNED},
                 {"https://localhost:4003/", "localhost:4003", AIVO_AUTH_SIGNED},
                 {"http://[::1]:4003", "[::1]:4003", AIVO_AUTH_SIGNED},
                 {"http://127.9.9.9", "127.9.9.9", AIVO_AUTH_SIGNED},
                 {"https://example.org", "example.org", AIVO_AUTH_NONE},
                 {"http://localhost.example.org:4003", "localhost.example.org:4003", AIVO_AUTH_NONE},
                 {"http://127.0.0.1.example.org", "127.0.0.1.example.org", AIVO_AUTH_NONE}};
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(AivoProfile) profile = aivo_profile_new_for(cases[i].url);
        assert_string_equal(profile->url, cases[i].url);
        assert_string_equal(profile->name, cases[i].name);
        assert_int_equal(profile->auth, cases[i].auth);
    }
}

/* A profile goes into the key file and comes back the same; one that makes no sense is refused. */
static void test_profile_file(void **state)
{
    (void)state;
    g_autoptr(AivoProfile) profile = aivo_profile_new_local();
    g_autoptr(GKeyFile) file = g_key_file_new();
    aivo_profile_set(&profile->name, "Zwei\nZeilen; [x] = \"ü\"");
    aivo_profile_save(profile, file);
    g_auto(GStrv) groups = g_key_file_get_groups(file, NULL);
    assert_null(aivo_profile_load(file, groups[0], NULL)); /* a line break in a name */
    aivo_profile_set(&profile->name, "Zwei; [x] = \"ü\"");
    aivo_profile_save(profile, file);
    g_autoptr(AivoProfile) back = aivo_profile_load(file, groups[0], NULL);
    assert_non_null(back);
    assert_string_equal(back->name, profile->name);
    assert_string_equal(back->id, profile->id);
    assert_true(aivo_profile_same_link(back, profile));
    g_autofree char *much = g_strnfill(3000, 'n');
    g_key_file_set_string(file, groups[0], "name", much);
    g_key_file_set_string(file, groups[0], "url", "http://host:1/dropped?x=1");
    g_autoptr(AivoProfile) mended = aivo_profile_load(file, groups[0], NULL);
    assert_non_null(mended); /* a name that is only too long, a path that never counted */
    assert_int_equal(g_utf8_strlen(mended->name, -1), AIVO_PROFILE_NAME_MAX);
    assert_string_equal(mended->url, "http://host:1?x=1");
    aivo_profile_set(&back->path, "/other/");
    assert_false(aivo_profile_same_link(back, profile));
    g_key_file_set_string(file, groups[0], "url", "nonsense");
    assert_null(aivo_profile_load(file, groups[0], NULL));
}

/* A damaged file of connections is put aside whole; one bad connection among good ones costs only itself. */
static void test_store(void **state)
{
    (void)state;
    g_autofree char *dir = g_dir_make_tmp("aivo-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "sub", "connections.conf", NULL);
    g_autoptr(AivoProfileStoreContent) none = aivo_profile_store_read(path);
    assert_int_equal(none->profiles->len + none->notices->len, 0);
    g_autoptr(GPtrArray) profiles = g_ptr_array_new_with_free_func((GDestroyNotify)aivo_profile_free);
    g_ptr_array_add(profiles, aivo_profile_new_local());
    assert_true(aivo_profile_store_write(path, profiles, NULL));
    g_autofree char *text = NULL;
    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_autofree char *more = g_strconcat(text, "[connection nonsense]\nurl=x\n", NULL);
    assert_true(g_file_set_contents(path, more, -1, NULL));
    g_autoptr(AivoProfileStoreContent) some = aivo_profile_store_read(path);
    assert_int_equal(some->profiles->len, 1);
    assert_int_equal(some->notices->len, 2);  /* what was left out, and where the old file is */
    for (int start = 0; start < 2; start++) { /* at the next starts nothing is left to complain of */
        g_autoptr(AivoProfileStoreContent) later = aivo_profile_store_read(path);
        assert_int_equal(later->profiles->len, 1);
        assert_int_equal(later->notices->len, 0);
    }
    assert_true(g_file_set_contents(path, "[\0x", 3, NULL));
    g_autoptr(AivoProfileStoreContent) damaged = aivo_profile_store_read(path);
    assert_int_equal(damaged->profiles->len, 0);
    assert_int_equal(damaged->notices->len, 1);
    assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
}

/* The CONNECT payload: what is not set is not in it, a text stays one; a token signed here is in date. The known token
 * is of an independent implementation. */
static void test_payload(void **state)
{
    (void)state;
    g_autofree char *signed_one = aivo_credential_signed_payload("secret", "learner-1", 1000, 60);
    assert_string_equal(signed_one,
                        "{\"token\":\"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
                        "eyJzdWIiOiJsZWFybmVyLTEiLCJ1c2VySWQiOiJsZWFybmVyLTEiLCJpYXQiOjEwMDAsImV4cCI6MTA2MH0."
                        "mQKtZ2p7srhJgPFdLibi7ShRlVcKmiZ_LqbAwgIdaOA\",\"learnerId\":\"learner-1\"}");
    g_autofree char *token = aivo_credential_payload("t\"x", "");
    assert_string_equal(token, "{\"token\":\"t\\\"x\"}");
    g_autofree char *user = aivo_credential_payload(NULL, "ü");
    assert_string_equal(user, "{\"learnerId\":\"ü\"}");
    g_autofree char *both = aivo_credential_payload("t", "u");
    assert_string_equal(both, "{\"token\":\"t\",\"learnerId\":\"u\"}");
    assert_null(aivo_credential_payload("", NULL));
}

/* What failed is told as a sentence; a full disk as that, whoever says it in whatever words. */
static void test_trouble_words(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"cannot connect to x", "Cannot connect to x"},
        {"example.org: no such host", "example.org: no such host"},
        {"http://x is no good", "http://x is no good"},
        {"the server's certificate", "The server's certificate"},
        {"", ""},
        {"disk full: cannot set up /x (SQLite 13, errno 28)",
         "The disk is full. Make room on it, then start Aivo Monitor again."},
        {"the history's file: database or disk is full",
         "The disk is full. Make room on it, then start Aivo Monitor again."},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *says = aivo_describe_trouble(cases[i].text);
        assert_string_equal(says, cases[i].says);
    }
    assert_null(aivo_describe_sentence(NULL));
}

/* A token with these claims, in the form that a token has. */
static char *token_with(const char *claims)
{
    g_autofree char *text = g_base64_encode((const guchar *)claims, strlen(claims));
    text[strcspn(text, "=")] = '\0';
    g_strdelimit(text, "+", '-');
    g_strdelimit(text, "/", '_');
    return g_strconcat("e30.", text, ".c2ln", NULL);
}

/* The end of a token counts where its claims have it, not in a text or an object among them; no token has no end. */
static void test_expiry(void **state)
{
    (void)state;
    static const struct {
        const char *claims;
        gint64 expiry;
    } cases[] = {
        {"{\"sub\":\"u\",\"exp\":1060}", 1060},
        {"{\"note\":\"\\\"exp\\\":5\",\"exp\":1060}", 1060},
        {"{\"note\":\"\\\"exp\\\":5\"}", 0},
        {"{\"inner\":{\"exp\":5}}", 0},
        {"{\"exp\":\"1060\"}", 0},
        {"{\"exp\":1060", 0},
        {"{}", 0},
    };
    static const char *const malformed[] = {
        "", "no token", "a.b", "e30.eyJleHAiOjV9", "e30.eyJleHAiOjV9.a.b", "!.eyJleHAiOjV9.a", "e30.eyJleHAiOjV9.a b"};
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *token = token_with(cases[i].claims);
        if (aivo_credential_expiry(token) != cases[i].expiry)
            fail_msg("%s", cases[i].claims);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(malformed); i++)
        if (aivo_credential_expiry(malformed[i]) != 0)
            fail_msg("%s", malformed[i]);
}

/* A day of alerts: dwell, a short dip, quiet hours over midnight, recovery, and a connection that is paused. */
static void test_alerts(void **state)
{
    (void)state;
    const AivoAlertRules rules = {.enabled = TRUE,
                                  .level = AIVO_LEVEL_POOR,
                                  .dwell_ms = 10000,
                                  .quiet = TRUE,
                                  .quiet_from = 22 * 60,
                                  .quiet_to = 7 * 60};
    AivoAlert alert = {0};
    gint64 next = 0;
    assert_int_equal(aivo_alert_step(&alert, &rules, TRUE, AIVO_LEVEL_POOR, 0, 600, &next), AIVO_ALERT_NOTHING);
    assert_int_equal(next, 10000);
    assert_int_equal(aivo_alert_step(&alert, &rules, TRUE, AIVO_LEVEL_GOOD, 9000, 600, &next), AIVO_ALERT_NOTHING);
    assert_int_equal(aivo_alert_step(&alert, &rules, TRUE, AIVO_LEVEL_OFFLINE, 20000, 600, &next), AIVO_ALERT_NOTHING);
    assert_int_equal(aivo_alert_step(&alert, &rules, TRUE, AIVO_LEVEL_POOR, 30000, 600, &next), AIVO_ALERT_RAISE);
    assert_int_equal(aivo_alert_step(&alert, &rules, TRUE, AIVO_LEVEL_POOR, 31000, 600, &next), AIVO_ALERT_NOTHING);
    assert_int_equal(aivo_alert_step(&alert, &rules, TRUE, AIVO_LEVEL_FAIR, 32000, 600, &next), AIVO_ALERT_WITHDRAW);
    assert_int_equal(aivo_alert_step(&alert, &rules, TRUE, AIVO_LEVEL_POOR, 40000, 1400, &next), AIVO_ALERT_NOTHING);
    assert_int_equal(aivo_alert_step(&alert, &rules, TRUE, AIVO_LEVEL_POOR, 60000, 1430, &next), AIVO_ALERT_NOTHING);
    assert_int_equal(next, (10 + 7 * 60) * 60000);
    assert_int_equal(aivo_alert_step(&alert, &rules, TRUE, AIVO_LEVEL_POOR, 90000, 7 * 60, &next), AIVO_ALERT_RAISE);
    assert_int_equal(aivo_alert_step(&alert, &rules, FALSE, AIVO_LEVEL_OFFLINE, 91000, 430, &next),
                     AIVO_ALERT_WITHDRAW);
}

/* The log has a bound, newest first; the same again counts up and is no new entry. */
static void test_log(void **state)
{
    (void)state;
    g_autoptr(AivoEventLog) log = aivo_event_log_new();
    for (int i = 0; i < AIVO_EVENT_LOG_MAX + 10; i++) {
        g_autofree char *title = g_strdup_printf("event %d", i);
        aivo_event_log_add(log, i, AIVO_EVENT_STATE, AIVO_TONE_GOOD, title, NULL);
        aivo_event_log_add(log, i + 1, AIVO_EVENT_STATE, AIVO_TONE_GOOD, title, NULL);
    }
    assert_int_equal(g_list_model_get_n_items(G_LIST_MODEL(log)), AIVO_EVENT_LOG_MAX);
    g_autoptr(AivoEvent) newest = g_list_model_get_item(G_LIST_MODEL(log), 0);
    assert_string_equal(aivo_event_get_title(newest), "event 2009");
    assert_int_equal(aivo_event_get_count(newest), 2);
    assert_int_equal(aivo_event_get_time(newest), 2010);
}

/* What a user types as arguments is judged, and what is wrong has its place, counted in characters. */
static void test_args(void **state)
{
    (void)state;
    static const char *const good[] = {"[]", " [1, -2.5e3, \"\\u00fc\", {\"a\": [true, null]}] "};
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"", "too early"},
        {"[", "too early"},
        {"[1", "too early"},
        {"{}", "array"},
        {" \"[]\" ", "array"},
        {"7", "array"},
        {"[1,]", "character 4"},
        {"[01]", "character 3"},
        {"[\"\\x\"]", "character 4"},
        {"[1] 2", "character 5"},
        {"[{a:1}]", "character 3"},
        {"[.5]", "character 2"},
        {"[\"üöä\",x]", "character 8"},
        {"nul", "too early"},
        {"x", "character 1"},
        {"[\"a\nb\"]", "character 4"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(good); i++)
        assert_null(aivo_describe_args_problem(good[i]));
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *problem = aivo_describe_args_problem(bad[i].text);
        if (!problem || !strstr(problem, bad[i].says))
            fail_msg("%s: %s", bad[i].text, problem ? problem : "no problem");
    }
}

static cJSON *report_of(AivoConnection *connection)
{
    g_autofree char *text = aivo_bundle_dup_report(connection);
    cJSON *report = cJSON_Parse(text);
    assert_non_null(report);
    return report;
}

/* The connection's snapshot in the report is that which the command line prints; it is worth nothing once the
 * connection is gone. */
static void expect_quality(AivoConnection *connection, const struct cli_snapshot *expected)
{
    cJSON *report = report_of(connection);
    char *want = cli_snapshot_json(expected), *got = cJSON_PrintUnformatted(cJSON_GetObjectItem(report, "quality"));
    assert_string_equal(got, want);
    assert_string_equal(cJSON_GetObjectItem(report, "state")->valuestring, aivo_state_name(expected->state));
    free(want);
    free(got);
    cJSON_Delete(report);
}

/* The bundle of a connection, under a locale with a decimal comma: its report is JSON, what is not known is null, no
 * text that may hold a secret is in it, and CSV has a point. */
static void test_bundle(void **state)
{
    (void)state;
    g_autoptr(AivoProfile) profile = aivo_profile_new_local();
    aivo_profile_set(&profile->url, "http://127.0.0.1:4003/?token=query-secret");
    aivo_profile_set(&profile->user, "learner-secret");
    aivo_profile_set(&profile->ca_file, "/home/secret.pem");
    g_autoptr(AivoConnection) connection = aivo_connection_new(profile);
    aivo_connection_set_state(connection, AIVO_LINK_CONNECTING, "say \"\xff\n");
    comma_begin();
    cJSON *report = report_of(connection);
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(report, "quality")));
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(cJSON_GetObjectItem(report, "queue"), "pending")));
    assert_string_equal(cJSON_GetObjectItem(report, "reason")->valuestring, "say \"\uFFFD\n");
    cJSON_Delete(report);

    struct cli_snapshot expected = {.state = AIVO_STATE_CONNECTED, .url = "http://127.0.0.1:4003/"};
    struct aivo_quality *q = &expected.quality;
    *q = (struct aivo_quality){.size = sizeof *q, .time_ms = 1767225599123, .level = AIVO_LEVEL_GOOD, .score = 72};
    q->latency_ms = q->p50_ms = q->p95_ms = q->min_latency_ms = q->avg_latency_ms = 112.5;
    q->loss_pct = q->loss_low_pct = q->loss_high_pct = q->uplink_loss_pct = q->network_ms = q->edge_ms = NAN;
    q->samples = 10;
    q->cause_count = 1;
    q->causes[0] = (struct aivo_quality_cause){AIVO_CAUSE_UPLINK_LOSS, 20.5};
    aivo_connection_set_quality(connection, q);
    aivo_connection_set_state(connection, AIVO_LINK_CONNECTED, NULL);
    expect_quality(connection, &expected);
    aivo_connection_set_state(connection, AIVO_LINK_RECONNECTING, NULL);
    expected.state = AIVO_STATE_RECONNECTING;
    q->level = AIVO_LEVEL_OFFLINE;
    q->score = 0;
    q->cause_count = 0;
    expect_quality(connection, &expected);
    g_autofree char *history = aivo_bundle_dup_history(connection), *text = aivo_bundle_dup_report(connection);
    comma_end();
    assert_non_null(strstr(history, "2025-12-31T23:59:59.123Z,"));
    assert_non_null(strstr(history, ",112.5,"));
    assert_null(strstr(history, "112,5"));
    assert_null(strstr(text, "secret"));
}

/* An archive that tar itself reads. */
static void test_tar(void **state)
{
    (void)state;
    AivoTar *tar = aivo_tar_new();
    aivo_tar_add(tar, "folder/a.txt", "hello\n", 6, 1000);
    aivo_tar_add(tar, "folder/empty", "", 0, 1000);
    g_autoptr(GBytes) bytes = aivo_tar_finish(tar, NULL);
    g_autofree char *path = g_build_filename(g_get_tmp_dir(), "aivo-test-XXXXXX.tar.gz", NULL);
    int fd = g_mkstemp(path);
    assert_true(fd >= 0);
    g_close(fd, NULL);
    assert_true(g_file_set_contents(path, g_bytes_get_data(bytes, NULL), (gssize)g_bytes_get_size(bytes), NULL));
    g_autofree char *listing = NULL, *content = NULL;
    char *list[] = {(char *)"tar", (char *)"-tzf", path, NULL};
    char *print[] = {(char *)"tar", (char *)"-xzOf", path, (char *)"folder/a.txt", NULL};
    assert_true(g_spawn_sync(NULL, list, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &listing, NULL, NULL, NULL));
    assert_true(g_spawn_sync(NULL, print, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &content, NULL, NULL, NULL));
    g_unlink(path);
    assert_string_equal(listing, "folder/a.txt\nfolder/empty\n");
    assert_string_equal(content, "hello\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),   cmocka_unit_test(test_address_words), cmocka_unit_test(test_trouble_words),
        cmocka_unit_test(test_profile_for), cmocka_unit_test(test_profile_file),  cmocka_unit_test(test_store),
        cmocka_unit_test(test_payload),     cmocka_unit_test(test_expiry),        cmocka_unit_test(test_alerts),
        cmocka_unit_test(test_log),         cmocka_unit_test(test_args),          cmocka_unit_test(test_bundle),
        cmocka_unit_test(test_tar),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
