#pragma once

#include "core/codecs/call_failure.hpp"
#include "core/codecs/json_reader.hpp"

/// How failures look on the wire, whichever the protocol. For the .cpp files of this folder only.
namespace assay::codecs {

/// Reads the object that stands under `error`.
provider_error read_error_object(dom::element error);

/// Finds the error in any of the shapes in use: {"error":{...}}, {"error":"text"}, {"detail":...},
/// {"object":"error","message":...}, {"statusCode":401,"message":...}, and Google's list around the first.
/// @param answer_key the member that marks a good answer (`choices`); an empty error beside it is none.
std::optional<provider_error> find_error(dom::element root, const char* answer_key);

/// The provider's number of the call, from whichever header carries it.
std::string request_id_of(const http_headers& headers);

/// There was no complete answer.
call_failure failed_transfer(const http_outcome& outcome);

/// A status of success, but the body is not what the protocol promises.
call_failure malformed(std::string message, const http_outcome& outcome);

/// @returns one line about a body that should have been JSON. Of a web page its words remain, not its markup.
std::string describe_broken_json(std::string_view body);

/// A status other than success. @param root the body as JSON, if it is that.
call_failure failed_status(const http_outcome& outcome, const std::optional<dom::element>& root,
                           wall_time now, const decode_options& options);

inline bool is_success(int status) noexcept { return status >= 200 && status <= 299; }

} // namespace assay::codecs
