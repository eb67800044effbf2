#include "io/http_fetch.hpp"

#include "io/detail/client_stream.hpp"

#include <boost/asio/error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

namespace assay::io {

namespace {

namespace http = boost::beast::http;
using boost::system::error_code;

fault failure(const origin& where, const error_code& error) {
  const auto who = host_and_port_of(where);
  if (error == boost::asio::error::timed_out)
    return {errc::provider_timeout, who + " did not answer in time", {}, {}};
  if (error == http::error::body_limit)
    return {errc::too_large, "the answer of " + who + " is too large", {}, {}};
  if (error == http::error::end_of_stream || error == http::error::partial_message
      || error == boost::asio::error::eof || error == boost::asio::error::connection_reset)
    return {errc::truncated_answer, who + " closed the connection before its answer was complete", {}, {}};
  return {errc::malformed_answer, "the answer of " + who + " is not HTTP: " + error.message(), {}, {}};
}

} // namespace

result<fetch_answer> fetch(const fetch_request& request) {
  boost::asio::io_context context;
  detail::client_stream stream(context);
  stream.expires_after(request.timeout);
  const auto proxy = choose_proxy(request.proxy, request.where);
  if (!proxy)
    return proxy.error();
  if (auto connected = stream.connect(request.where, request.tls, *proxy, false, request.guard.get());
      !connected)
    return connected.error();

  http::request<http::string_body> message;
  message.method_string(request.method);
  // A proxy is told the whole URL; through a tunnel it is told nothing.
  const bool in_the_open = *proxy && request.where.scheme == url_scheme::http;
  message.target((in_the_open ? to_string(request.where) : request.where.base_path) + request.target);
  message.version(11);
  message.set(http::field::host, authority_of(request.where));
  message.set(http::field::connection, "close");
  if (in_the_open && !(*proxy)->authorization.empty())
    message.set(http::field::proxy_authorization, (*proxy)->authorization.reveal());
  for (const auto& [name, value] : request.headers)
    message.set(name, value);
  message.body() = request.body;
  message.prepare_payload();
  error_code error;
  http::write(stream, message, error);
  if (error)
    return failure(request.where, error);

  boost::beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(request.max_response_bytes);
  http::read(stream, buffer, parser, error);
  if (error)
    return failure(request.where, error);
  fetch_answer out;
  out.status = static_cast<int>(parser.get().result_int());
  for (const auto& field : parser.get())
    out.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
  out.body = std::move(parser.get().body());
  return out;
}

} // namespace assay::io
