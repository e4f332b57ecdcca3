# AIVO_BUILD_FUZZERS: everything is compiled with coverage counters, so that libFuzzer sees into the libraries as well;
# each fuzz target is then linked with libFuzzer itself. Without it the targets replay their corpora, in any compiler.
if(AIVO_BUILD_FUZZERS)
    if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
        message(FATAL_ERROR "AIVO_BUILD_FUZZERS needs Clang, and the compiler is ${CMAKE_C_COMPILER_ID}: use the preset 'fuzz'")
    endif()
    add_compile_options(-fsanitize=fuzzer-no-link -O1)
endif()
