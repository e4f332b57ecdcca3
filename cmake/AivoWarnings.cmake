# Strict warnings for our own code, errors where AIVO_WERROR says so (CI does).
option(AIVO_WERROR "Treat compiler warnings as errors" OFF)

add_library(aivo_warnings INTERFACE)
target_compile_options(aivo_warnings INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wvla
    $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes -Wmissing-prototypes>
    -Wformat=2 -Wundef -fno-common
    $<$<BOOL:${AIVO_WERROR}>:-Werror>)
