#include "comma.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* localedef warns of all that this definition leaves out, says so with its exit status, and writes the rest. */
static const char make[] = "cd \"$COMMA_DIR\" && {\n"
                           "printf 'LC_NUMERIC\\ndecimal_point \",\"\\nthousands_sep \"\"\\n'\n"
                           "printf 'grouping -1\\nEND LC_NUMERIC\\n'\n"
                           "} >source && localedef -c -i source ./comma >log 2>&1";

void comma_begin(void)
{
    char dir[] = "/tmp/aivo-comma-XXXXXX", text[16];
    assert_non_null(mkdtemp(dir));
    setenv("COMMA_DIR", dir, 1);
    if (system(make) < 0)
        fail_msg("no shell");
    setenv("LOCPATH", dir, 1);
    const char *set = setlocale(LC_NUMERIC, "comma");
    if (system("rm -rf \"$COMMA_DIR\"") != 0)
        fail_msg("%s stays", dir);
    unsetenv("LOCPATH");
    unsetenv("COMMA_DIR");
    assert_non_null(set);
    snprintf(text, sizeof text, "%.1f", 1.5);
    assert_string_equal(text, "1,5");
}

void comma_end(void)
{
    setlocale(LC_NUMERIC, "C");
}
