#pragma once

#include "server/auth/permissions.hpp"
#include "server/families.hpp"
#include "server/http.hpp"
#include "server/net_stream.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>

#include <optional>
#include <string>
#include <vector>

namespace assay::server {

struct edge_services;

/// Decides whether a request may become a WebSocket: a proper upgrade, from an allowed origin, with a good
/// `token` or `ticket` if one is given. @returns who it is; nobody yet when the first message has to say.
/// @param caller Whom the headers name, or the anonymous caller if those are allowed.
boost::system::result<std::optional<principal>, problem>
judge_upgrade(const request_head& head, const std::optional<principal>& caller, edge_services& edge);

/// Answers the handshake, with @p headers besides its own, and serves the socket until it ends.
/// @param peer The caller's address.
boost::asio::awaitable<void>
run_web_socket(net_stream stream, boost::beast::http::request<boost::beast::http::string_body> handshake,
               edge_services& edge, std::optional<principal> who, std::string peer,
               std::vector<header_field> headers);

} // namespace assay::server
