# Options, build types and flags that every target shares.

option(ASSAY_TESTS "Build the tests" ON)
option(ASSAY_BENCHMARKS "Build the benchmarks" OFF)
option(ASSAY_UNITY "Compile several sources at once: a whole build is several times faster, one changed file slower" ON)
option(ASSAY_WERROR "Treat warnings as errors" ON)

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Dev, Release or Asan" FORCE)
endif()

set(CMAKE_CXX_FLAGS_DEV "-O0 -g1")
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")
# vptr, null and alignment checks cost three times the compile time of everything else together.
set(CMAKE_CXX_FLAGS_ASAN
    "-O1 -g1 -fsanitize=address,undefined -fno-sanitize=vptr,null,alignment -fno-sanitize-recover=all -fno-omit-frame-pointer")
set(CMAKE_EXE_LINKER_FLAGS_ASAN "-fsanitize=address,undefined")

find_program(ASSAY_CCACHE ccache)
if(ASSAY_CCACHE)
  # The sloppiness lets ccache serve objects that use a precompiled header.
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env
      "CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime" "${ASSAY_CCACHE}")
endif()

find_program(ASSAY_MOLD mold)
if(ASSAY_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

add_library(assay_options INTERFACE)
target_include_directories(assay_options INTERFACE "${PROJECT_SOURCE_DIR}")
target_compile_options(assay_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow=local -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-qual -Werror=switch
  -fpch-preprocess
  # g++ 12 reports these inside its own library headers when it inlines at -O2 or with sanitizers.
  -Wno-restrict -Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-array-bounds -Wno-stringop-overread)
if(ASSAY_WERROR)
  target_compile_options(assay_options INTERFACE -Werror)
endif()
