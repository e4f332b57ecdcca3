# What `cmake --install` puts where: library, headers, aivo.pc, the CMake package, and the programs that were built.
include(CMakePackageConfigHelpers)

function(aivo_install_sdk)
    install(TARGETS aivo EXPORT aivoTargets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime NAMELINK_COMPONENT development
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
    install(DIRECTORY ${PROJECT_SOURCE_DIR}/sdk/include/aivo DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        COMPONENT development FILES_MATCHING PATTERN "*.h")

    # aivo.pc finds its prefix from where it lies, so that an installed tree can be moved.
    file(RELATIVE_PATH AIVO_PC_UP /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
    string(REGEX REPLACE "/$" "" AIVO_PC_UP ${AIVO_PC_UP})
    configure_file(${PROJECT_SOURCE_DIR}/cmake/aivo.pc.in ${PROJECT_BINARY_DIR}/aivo.pc @ONLY)
    install(FILES ${PROJECT_BINARY_DIR}/aivo.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)

    set(package ${CMAKE_INSTALL_LIBDIR}/cmake/aivo)
    configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/aivoConfig.cmake.in ${PROJECT_BINARY_DIR}/aivoConfig.cmake
        INSTALL_DESTINATION ${package} NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
    # Below 1.0 a new minor version may change the interface.
    write_basic_package_version_file(${PROJECT_BINARY_DIR}/aivoConfigVersion.cmake COMPATIBILITY SameMinorVersion)
    install(FILES ${PROJECT_BINARY_DIR}/aivoConfig.cmake ${PROJECT_BINARY_DIR}/aivoConfigVersion.cmake
        DESTINATION ${package} COMPONENT development)
    install(EXPORT aivoTargets NAMESPACE aivo:: DESTINATION ${package} COMPONENT development)
endfunction()

function(aivo_install)
    aivo_install_sdk()
    foreach(program aivo_cli aivo-server)
        if(TARGET ${program})
            install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT runtime)
        endif()
    endforeach()
    if(TARGET aivo_cli)
        # Found beside the program wherever the tree is installed; a system's own folders need no such entry.
        file(RELATIVE_PATH to_lib /${CMAKE_INSTALL_BINDIR} /${CMAKE_INSTALL_LIBDIR})
        if(NOT CMAKE_INSTALL_PREFIX STREQUAL "/usr")
            set_target_properties(aivo_cli PROPERTIES INSTALL_RPATH "$ORIGIN/${to_lib}")
        endif()
    endif()
    install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT runtime)
endfunction()
