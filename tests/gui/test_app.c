/* The parts of aivo-monitor that need no display. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "alert-policy.h"
#include "event-log.h"
#include "json-text.h"
#include "profile-store.h"
#include "profile.h"
#include "tar-file.h"
#include "token.h"
#include <glib/gstdio.h>
#include <string.h>

/* What people type as an address: each mistake is named, and what is right has none. */
static void test_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        gboolean fine;
    } cases[] = {
        {"http://127.0.0.1:4003", TRUE},
        {"wss://host.example/path?x=1", TRUE},
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
    assert_int_equal(some->notices->len, 2); /* what was left out, and where the old file is */
    assert_true(g_file_set_contents(path, "[\0x", 3, NULL));
    g_autoptr(AivoProfileStoreContent) damaged = aivo_profile_store_read(path);
    assert_int_equal(damaged->profiles->len, 0);
    assert_int_equal(damaged->notices->len, 1);
    assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
}

/* A signed token has the form and the end that it should; the known answer is of an independent implementation. */
static void test_token(void **state)
{
    (void)state;
    g_autofree char *token = aivo_token_sign("secret", "learner-1", 1000, 60);
    assert_string_equal(token, "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
                               "eyJzdWIiOiJsZWFybmVyLTEiLCJ1c2VySWQiOiJsZWFybmVyLTEiLCJpYXQiOjEwMDAsImV4cCI6MTA2MH0."
                               "mQKtZ2p7srhJgPFdLibi7ShRlVcKmiZ_LqbAwgIdaOA");
    assert_true(aivo_token_is_well_formed(token));
    assert_int_equal(aivo_token_expiry(token), 1060);
    assert_int_equal(aivo_token_expiry("no token"), 0);
    assert_false(aivo_token_is_well_formed("a.b"));
    g_autofree char *payload = aivo_token_payload("t\"x", "");
    assert_string_equal(payload, "{\"token\":\"t\\\"x\"}");
    assert_null(aivo_token_payload("", NULL));
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

/* JSON: what is written is JSON, and what a user types as arguments is judged. */
static void test_json(void **state)
{
    (void)state;
    g_autoptr(GString) out = g_string_new(NULL);
    aivo_json_append_string(out, "a\"\\\n\x01");
    aivo_json_append_number(out, 1.0 / 0.0, 3);
    aivo_json_append_time(out, 1);
    assert_string_equal(out->str, "\"a\\\"\\\\\\n\\u0001\"null\"1970-01-01T00:00:00.001Z\"");
    static const char *const good[] = {"[]", " [1, -2.5e3, \"\\u00fc\", {\"a\": [true, null]}] "};
    static const char *const bad[] = {"", "{}", "[", "[1,]", "[01]", "[\"\\x\"]", "[1] 2", "[{a:1}]", "[.5]"};
    for (size_t i = 0; i < G_N_ELEMENTS(good); i++)
        assert_true(aivo_json_is_array(good[i], NULL));
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
        if (aivo_json_is_array(bad[i], NULL))
            fail_msg("%s", bad[i]);
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
        cmocka_unit_test(test_addresses), cmocka_unit_test(test_profile_for), cmocka_unit_test(test_profile_file),
        cmocka_unit_test(test_store),     cmocka_unit_test(test_token),       cmocka_unit_test(test_alerts),
        cmocka_unit_test(test_log),       cmocka_unit_test(test_json),        cmocka_unit_test(test_tar),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
