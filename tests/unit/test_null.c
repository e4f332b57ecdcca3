/* NULL in place of a client, a queue's file, a history or a diagnosis: every public function, by the record of the
 * binary interface, so that a new one is not forgotten. */
#include <aivo/aivo.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* A function with all its pointers NULL. true: it did what the headers say of NULL. */
struct call {
    const char *name;
    bool (*run)(struct aivo_error *err);
};

/* The name of every function begins its line; after it, what must hold of the call. */
#define CALLS(GIVES, HOLDS)                                                                                            \
    GIVES(aivo_client_ack, (NULL, 1, NULL, NULL, 0))                                                                   \
    GIVES(aivo_client_auth, (NULL, NULL))                                                                              \
    GIVES(aivo_client_create, (NULL, NULL, err))                                                                       \
    GIVES(aivo_client_emit, (NULL, "event", NULL, NULL))                                                               \
    GIVES(aivo_client_on, (NULL, NULL, NULL, NULL))                                                                    \
    GIVES(aivo_client_on_queue, (NULL, NULL))                                                                          \
    GIVES(aivo_client_quality_start, (NULL))                                                                           \
    GIVES(aivo_client_quality_stop, (NULL))                                                                            \
    GIVES(aivo_client_queue_purge, (NULL, NULL, NULL, err))                                                            \
    GIVES(aivo_client_queue_purge_where, (NULL, AIVO_OUTBOX_DEAD, NULL, NULL, err))                                    \
    GIVES(aivo_client_queue_retry, (NULL, NULL, NULL, err))                                                            \
    GIVES(aivo_client_queue_retry_where, (NULL, NULL, NULL, err))                                                      \
    GIVES(aivo_client_queue_stats_sized, (NULL, NULL, 0))                                                              \
    GIVES(aivo_client_record, (NULL, NULL))                                                                            \
    GIVES(aivo_client_send, (NULL, "event", NULL, NULL, err))                                                          \
    GIVES(aivo_client_send_async, (NULL, "event", NULL, NULL, NULL, NULL, NULL, err))                                  \
    GIVES(aivo_client_send_ex, (NULL, "event", NULL, NULL, NULL, err))                                                 \
    GIVES(aivo_client_send_raw, (NULL, "", 0, false))                                                                  \
    GIVES(aivo_client_start, (NULL))                                                                                   \
    GIVES(aivo_client_stop, (NULL))                                                                                    \
    GIVES(aivo_diagnose_create, (NULL, NULL, NULL, err))                                                               \
    GIVES(aivo_diagnose_run, (NULL))                                                                                   \
    GIVES(aivo_diagnose_start, (NULL))                                                                                 \
    GIVES(aivo_history_open, (NULL, NULL, err))                                                                        \
    GIVES(aivo_history_open_reader, (NULL, NULL, err))                                                                 \
    GIVES(aivo_history_prune, (NULL, 0, NULL, err))                                                                    \
    GIVES(aivo_history_read, (NULL, AIVO_HISTORY_HOURS, 0, 1, NULL, NULL, err))                                        \
    GIVES(aivo_loop_create, (NULL, err))                                                                               \
    GIVES(aivo_outbox_export, (NULL, NULL, NULL, err))                                                                 \
    GIVES(aivo_outbox_list, (NULL, AIVO_OUTBOX_DEAD, NULL, NULL, 1, NULL, NULL, err))                                  \
    GIVES(aivo_outbox_open, (NULL, false, NULL, err))                                                                  \
    GIVES(aivo_outbox_purge, (NULL, AIVO_OUTBOX_DEAD, NULL, NULL, NULL, err))                                          \
    GIVES(aivo_outbox_purge_where, (NULL, AIVO_OUTBOX_DEAD, NULL, NULL, err))                                          \
    GIVES(aivo_outbox_queues, (NULL, NULL, NULL, err))                                                                 \
    GIVES(aivo_outbox_retry, (NULL, NULL, NULL, err))                                                                  \
    GIVES(aivo_outbox_retry_where, (NULL, NULL, NULL, err))                                                            \
    GIVES(aivo_outbox_show, (NULL, "id", NULL, NULL, err))                                                             \
    GIVES(aivo_outbox_stats_sized, (NULL, NULL, NULL, 0, err))                                                         \
    GIVES(aivo_replay, (NULL, NULL, NULL, err))                                                                        \
    HOLDS(aivo_cause_name, *aivo_cause_name((enum aivo_cause) - 1))                                                    \
    HOLDS(aivo_client_destroy, (aivo_client_destroy(NULL), true))                                                      \
    HOLDS(aivo_client_dispatch, aivo_client_dispatch(NULL) == 0)                                                       \
    HOLDS(aivo_client_fd, aivo_client_fd(NULL) == -1)                                                                  \
    HOLDS(aivo_client_last_error, last_error_is_none())                                                                \
    HOLDS(aivo_client_on_fate, (aivo_client_on_fate(NULL, NULL, NULL), true))                                          \
    HOLDS(aivo_client_on_log, (aivo_client_on_log(NULL, AIVO_LOG_DEBUG, NULL, NULL), true))                            \
    HOLDS(aivo_client_on_notice, (aivo_client_on_notice(NULL, NULL, NULL), true))                                      \
    HOLDS(aivo_client_on_quality, (aivo_client_on_quality(NULL, NULL, NULL, NULL), true))                              \
    HOLDS(aivo_client_on_state, (aivo_client_on_state(NULL, NULL, NULL), true))                                        \
    HOLDS(aivo_client_quality_sized, nothing_was_measured())                                                           \
    HOLDS(aivo_client_retry_in, aivo_client_retry_in(NULL) == -1)                                                      \
    HOLDS(aivo_client_retry_now, (aivo_client_retry_now(NULL), true))                                                  \
    HOLDS(aivo_client_sid, sid_is_empty())                                                                             \
    HOLDS(aivo_client_state, aivo_client_state(NULL) == AIVO_STATE_DISCONNECTED)                                       \
    HOLDS(aivo_diagnose_cancel, (aivo_diagnose_cancel(NULL), true))                                                    \
    HOLDS(aivo_diagnose_destroy, (aivo_diagnose_destroy(NULL), true))                                                  \
    HOLDS(aivo_diagnose_fact_explain, !*aivo_diagnose_fact_explain(AIVO_DIAGNOSE_DNS, NULL, NULL))                     \
    HOLDS(aivo_diagnose_fact_title, !*aivo_diagnose_fact_title(AIVO_DIAGNOSE_DNS, NULL, NULL))                         \
    HOLDS(aivo_diagnose_fd, aivo_diagnose_fd(NULL) == -1)                                                              \
    HOLDS(aivo_diagnose_options_init_sized, (aivo_diagnose_options_init_sized(NULL, 0), true))                         \
    HOLDS(aivo_diagnose_report, !aivo_diagnose_report(NULL))                                                           \
    HOLDS(aivo_diagnose_stage_name, *aivo_diagnose_stage_name((enum aivo_diagnose_stage) - 1))                         \
    HOLDS(aivo_diagnose_stage_title, *aivo_diagnose_stage_title((enum aivo_diagnose_stage) - 1))                       \
    HOLDS(aivo_diagnose_status_name, *aivo_diagnose_status_name((enum aivo_diagnose_status) - 1))                      \
    HOLDS(aivo_diagnose_verdict_name, *aivo_diagnose_verdict_name((enum aivo_diagnose_verdict) - 1))                   \
    HOLDS(aivo_diagnose_wait, aivo_diagnose_wait(NULL, -1))                                                            \
    HOLDS(aivo_emit_init_sized, (aivo_emit_init_sized(NULL, 0), true))                                                 \
    HOLDS(aivo_fate_name, *aivo_fate_name((enum aivo_fate) - 1))                                                       \
    HOLDS(aivo_history_add, (aivo_history_add(NULL, NULL), true))                                                      \
    HOLDS(aivo_history_close, aivo_history_close(NULL) == AIVO_OK)                                                     \
    HOLDS(aivo_level_name, *aivo_level_name((enum aivo_level) - 1))                                                    \
    HOLDS(aivo_log_level_name, *aivo_log_level_name((enum aivo_log_level) - 1))                                        \
    HOLDS(aivo_loop_destroy, (aivo_loop_destroy(NULL), true))                                                          \
    HOLDS(aivo_options_init_sized, (aivo_options_init_sized(NULL, 0), true))                                           \
    HOLDS(aivo_outbox_close, (aivo_outbox_close(NULL), true))                                                          \
    HOLDS(aivo_outbox_filter_init_sized, (aivo_outbox_filter_init_sized(NULL, 0), true))                               \
    HOLDS(aivo_queue_callbacks_init_sized, (aivo_queue_callbacks_init_sized(NULL, 0), true))                           \
    HOLDS(aivo_queue_policy_init_sized, (aivo_queue_policy_init_sized(NULL, 0), true))                                 \
    HOLDS(aivo_queued_state_name, *aivo_queued_state_name((enum aivo_queued_state) - 1))                               \
    HOLDS(aivo_send_init_sized, (aivo_send_init_sized(NULL, 0), true))                                                 \
    HOLDS(aivo_state_name, *aivo_state_name((enum aivo_state) - 1))                                                    \
    HOLDS(aivo_status_name, *aivo_status_name((enum aivo_status)1))                                                    \
    HOLDS(aivo_strerror, *aivo_strerror((enum aivo_status)1))                                                          \
    HOLDS(aivo_version, *aivo_version())

static bool last_error_is_none(void)
{
    struct aivo_error error = {.status = AIVO_E_TLS, .code = 1, .message = "old"};
    aivo_client_last_error(NULL, &error);
    return error.status == AIVO_OK && error.code == 0 && !*error.message;
}

static bool nothing_was_measured(void)
{
    struct aivo_quality q = {.samples = 7, .latency_ms = 7};
    aivo_client_quality(NULL, &q);
    return q.size == sizeof q && q.level == AIVO_LEVEL_OFFLINE && q.samples == 0 && isnan(q.latency_ms) &&
           isnan(q.loss_pct) && !q.queue_known;
}

static bool sid_is_empty(void)
{
    char sid[8] = "old";
    aivo_client_sid(NULL, sid, sizeof sid);
    aivo_client_sid(NULL, NULL, 0);
    return !*sid;
}

#define RUN_STATUS(function, arguments)                                                                                \
    static bool run_##function(struct aivo_error *err)                                                                 \
    {                                                                                                                  \
        (void)err;                                                                                                     \
        return function arguments == AIVO_E_INVALID;                                                                   \
    }
#define RUN_HOLDS(function, condition)                                                                                 \
    static bool run_##function(struct aivo_error *err)                                                                 \
    {                                                                                                                  \
        (void)err;                                                                                                     \
        return condition;                                                                                              \
    }
CALLS(RUN_STATUS, RUN_HOLDS)

#define LISTED(function, ignored) {#function, run_##function},
static const struct call calls[] = {CALLS(LISTED, LISTED)};

/* Every function is called with NULL, once without an aivo_error and once with one: a status that came with words has
 * AIVO_E_INVALID in them as well. */
static void test_null(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        struct aivo_error err = {.status = AIVO_OK};
        if (!calls[i].run(NULL) || !calls[i].run(&err))
            fail_msg("%s does not do with NULL what the headers say", calls[i].name);
        if (err.status != AIVO_OK && (err.status != AIVO_E_INVALID || !strstr(err.message, "NULL")))
            if (!strstr(err.message, "needs a path"))
                fail_msg("%s says '%s'", calls[i].name, err.message);
    }
}

/* What the library exports is what is called here: a function that is new in the record is missing. */
static void test_none_is_forgotten(void **state)
{
    (void)state;
    FILE *record = fopen(AIVO_TEST_DATA "/install/abi/libaivo.so.0.symbols", "r");
    assert_non_null(record);
    char line[256];
    size_t functions = 0;
    while (fgets(line, sizeof line, record)) {
        line[strcspn(line, "@")] = '\0';
        if (strncmp(line, "aivo_", 5) != 0)
            continue;
        bool called = false;
        for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
            called |= strcmp(calls[i].name, line) == 0;
        if (!called)
            fail_msg("%s is not called with NULL", line);
        functions++;
    }
    fclose(record);
    assert_int_equal(functions, sizeof calls / sizeof *calls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_null), cmocka_unit_test(test_none_is_forgotten)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
