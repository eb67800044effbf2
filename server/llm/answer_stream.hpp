#pragma once

#include "server/body_source.hpp"
#include "server/families.hpp"
#include "server/farm_access.hpp"
#include "server/request_context.hpp"

#include <functional>
#include <memory>
#include <string>

namespace assay::server {

/// How one API writes a streamed answer as server-sent events.
class stream_form {
public:
  virtual ~stream_form() = default;
  /// May be empty: nothing is sent for it.
  virtual std::string piece(const answer_delta& delta) = 0;
  virtual std::string end(const call_outcome& outcome) = 0;
  virtual std::string failure(const fault& reason) = 0;
};

/// Asks a question whose answer is streamed. Waits for the first piece, so that a question that fails before
/// it is answered by an error of its own and no stream.
boost::asio::awaitable<result<response>> ask_and_stream(request_context& context, model_question question,
                                                        std::unique_ptr<stream_form> form);

} // namespace assay::server
