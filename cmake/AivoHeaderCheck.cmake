# Every public header compiles alone, as C11 and as C++17, without a warning: one generated file a header and language.
# C++ is for this check only; without a C++ compiler the C half remains.
include(CheckLanguage)
check_language(CXX)
if(CMAKE_CXX_COMPILER)
    enable_language(CXX)
endif()

# Further arguments: targets whose headers these include.
function(aivo_check_headers folder)
    file(GLOB headers CONFIGURE_DEPENDS ${folder}/*.h)
    set(languages c)
    if(CMAKE_CXX_COMPILER)
        list(APPEND languages cpp)
    else()
        message(STATUS "No C++ compiler: the public headers are compiled as C only")
    endif()
    get_filename_component(include_folder ${folder} DIRECTORY)
    get_filename_component(prefix ${folder} NAME)
    foreach(language IN LISTS languages)
        set(sources "")
        foreach(header IN LISTS headers)
            get_filename_component(name ${header} NAME_WE)
            string(MAKE_C_IDENTIFIER ${name} check)
            set(source ${CMAKE_CURRENT_BINARY_DIR}/headers/${prefix}_${name}.${language})
            # Twice, so that a missing include guard shows; the declaration keeps the file from being empty.
            file(CONFIGURE OUTPUT ${source} @ONLY CONTENT
                "#include <${prefix}/${name}.h>\n#include <${prefix}/${name}.h>\nextern int aivo_header_check_${check};\n")
            list(APPEND sources ${source})
        endforeach()
        set(target header_check_${prefix}_${language})
        add_library(${target} OBJECT ${sources})
        target_include_directories(${target} PRIVATE ${include_folder})
        target_link_libraries(${target} PRIVATE ${ARGN})
        target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Werror)
        set_target_properties(${target} PROPERTIES C_STANDARD 11 C_EXTENSIONS OFF CXX_STANDARD 17
            CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF)
        # Building is the check; as a test it is seen in the test run too.
        add_test(NAME ${target} COMMAND ${CMAKE_COMMAND} --build ${CMAKE_BINARY_DIR} --target ${target})
        set_tests_properties(${target} PROPERTIES TIMEOUT 120 RUN_SERIAL ON)
    endforeach()
endfunction()
