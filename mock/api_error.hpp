#pragma once

#include "core/values/time.hpp"

#include <boost/system/result.hpp>

#include <string>

namespace assay::mock {

/// An error answer before a protocol gives it its form.
struct api_error {
  int status = 400;
  std::string message;
  std::string type = "invalid_request_error"; ///< Gemini: the status in words.
  std::string param;                          ///< OpenAI only. Empty: null.
  std::string code;                           ///< OpenAI only. Empty: null.
  /// Members that a provider adds to the error object, as JSON text that begins with a comma; or empty.
  std::string more;
};

template <class T>
using api_result = boost::system::result<T, api_error>;

} // namespace assay::mock
