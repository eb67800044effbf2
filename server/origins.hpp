#pragma once

#include "server/edge.hpp"
#include "server/http.hpp"

#include <string_view>

/// Where requests of web pages come from, and whether they may.
namespace assay::server {

/// @returns whether the Origin header names this very server, by the Host header and the scheme.
bool is_same_origin(const request_head& head, std::string_view origin) noexcept;

/// @returns whether @p origin is in `allow_origins`, exactly, or all are.
bool is_listed_origin(const edge_options& options, std::string_view origin) noexcept;

/// @returns whether pages of @p origin may open a WebSocket.
bool may_open_web_socket(const edge_options& options, const request_head& head,
                         std::string_view origin) noexcept;

/// @returns whether the Host header is a name of this server: localhost, a loopback address, the address it
/// listens on, or one of `server_names`. A page that points its own name at this machine fails this.
bool host_names_server(const edge_options& options, const request_head& head) noexcept;

/// @returns whether a caller without a token may be taken for the one at the keyboard: a loopback peer that
/// came through no proxy, a Host that names this server, and no page of another site behind it.
bool may_be_anonymous(const edge_options& options, const request_head& head) noexcept;

} // namespace assay::server
