# Debian ships CAF 0.17.6 without a CMake package; this makes CAF::core (and CAF::io, CAF::openssl when asked for).
find_path(CAF_INCLUDE_DIR caf/all.hpp)
set(CAF_required CAF_INCLUDE_DIR)
foreach(component IN LISTS CAF_FIND_COMPONENTS)
  find_library(CAF_${component}_LIBRARY caf_${component})
  list(APPEND CAF_required CAF_${component}_LIBRARY)
  if(CAF_${component}_LIBRARY AND CAF_INCLUDE_DIR AND NOT TARGET CAF::${component})
    add_library(CAF::${component} UNKNOWN IMPORTED)
    set_target_properties(CAF::${component} PROPERTIES IMPORTED_LOCATION "${CAF_${component}_LIBRARY}"
      INTERFACE_INCLUDE_DIRECTORIES "${CAF_INCLUDE_DIR}")
  endif()
endforeach()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(CAF REQUIRED_VARS ${CAF_required}
  REASON_FAILURE_MESSAGE "install libcaf-dev, or run scripts/bootstrap")
mark_as_advanced(CAF_INCLUDE_DIR)
