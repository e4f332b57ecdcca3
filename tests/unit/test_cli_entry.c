#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "entry.h"
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What cli_diagnose_main() wrote to a descriptor. */
static char said[65536];

static int diagnose(int fd, int argc, char **argv)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    fflush(NULL);
    int saved = dup(fd);
    dup2(fileno(file), fd);
    int code = cli_diagnose_main(argc, argv);
    fflush(NULL);
    dup2(saved, fd);
    close(saved);
    rewind(file);
    size_t len = fread(said, 1, sizeof(said) - 1, file);
    said[len] = '\0';
    fclose(file);
    return code;
}

/* Another program than `aivo` offers the diagnosis: it links the parts without main(), and has the same help, the same
 * complaints and the same report and exit code as `aivo diagnose`. */
static void test_another_program(void **state)
{
    (void)state;
    char *help[] = {(char *)"--help", NULL};
    assert_int_equal(diagnose(STDOUT_FILENO, 1, help), CLI_EXIT_OK);
    assert_non_null(strstr(said, "usage: aivo diagnose URL..."));
    char *wrong[] = {(char *)"http://h", (char *)"--frequently", NULL};
    assert_int_equal(diagnose(STDERR_FILENO, 2, wrong), CLI_EXIT_USAGE);
    assert_string_equal(said, "aivo diagnose: unknown flag --frequently (see 'aivo diagnose --help')\n");
    char *refused[] = {(char *)"http://127.0.0.1:1", (char *)"--json", NULL};
    assert_int_equal(diagnose(STDOUT_FILENO, 2, refused), CLI_EXIT_NO_CONNECTION);
    assert_non_null(strstr(said, "\"culprit\":\"tcp\""));
    assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_another_program)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
