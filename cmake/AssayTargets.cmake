# Most of what a source costs is in its headers, and in templates that its neighbours need as well, so several are
# compiled as one where the target is JOINED. Names in their anonymous namespaces have to differ for that.
function(assay_join_sources name)
  set_target_properties(${name} PROPERTIES UNITY_BUILD ${ASSAY_UNITY} UNITY_BUILD_BATCH_SIZE 8)
endfunction()

# assay_library(name [JOINED] SOURCES ... LINK ... [PRIVATE_LINK ...]) declares one folder's library.
function(assay_library name)
  cmake_parse_arguments(ARG "JOINED" "" "SOURCES;LINK;PRIVATE_LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC assay_options ${ARG_LINK} PRIVATE ${ARG_PRIVATE_LINK})
  if(ARG_JOINED)
    assay_join_sources(${name})
  endif()
endfunction()

# assay_test(name [JOINED] SOURCES ... LINK ... [TIMEOUT seconds]) declares one test program of GoogleTest cases.
function(assay_test name)
  cmake_parse_arguments(ARG "JOINED" "TIMEOUT" "SOURCES;LINK" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  if(ARG_JOINED)
    assay_join_sources(${name})
  endif()
  target_link_libraries(${name} PRIVATE ${ARG_LINK} GTest::gmock GTest::gtest GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT})
endfunction()
