#include "mock/multipart.hpp"

#include <algorithm>
#include <cctype>

namespace assay::mock {

namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r'))
    text.remove_suffix(1);
  return text;
}

/// The value of `; name=value` or `; name="value"` in a header.
std::string parameter(std::string_view header, std::string_view name) {
  while (!header.empty()) {
    const auto semicolon = header.find(';');
    if (semicolon == std::string_view::npos)
      return {};
    header = trimmed(header.substr(semicolon + 1));
    const auto equals = header.find('=');
    if (equals == std::string_view::npos)
      return {};
    const auto found = lower(trimmed(header.substr(0, equals))) == name;
    header.remove_prefix(equals + 1);
    std::string value;
    if (header.starts_with('"')) {
      size_t i = 1;
      for (; i < header.size() && header[i] != '"'; ++i)
        value += header[i] == '\\' && i + 1 < header.size() ? header[++i] : header[i];
      header.remove_prefix(std::min(i + 1, header.size()));
    } else {
      value = trimmed(header.substr(0, header.find(';')));
    }
    if (found)
      return value;
  }
  return {};
}

body_part read_part(std::string_view part) {
  body_part out;
  const auto end = part.find("\r\n\r\n");
  auto head = part.substr(0, end == std::string_view::npos ? part.size() : end);
  out.content = end == std::string_view::npos ? std::string_view() : part.substr(end + 4);
  while (!head.empty()) {
    const auto stop = std::min(head.find("\r\n"), head.size());
    const auto line = head.substr(0, stop);
    head.remove_prefix(std::min(stop + 2, head.size()));
    const auto colon = line.find(':');
    if (colon == std::string_view::npos)
      continue;
    const auto name = lower(line.substr(0, colon));
    const auto value = trimmed(line.substr(colon + 1));
    if (name == "content-type")
      out.content_type = value;
    if (name == "content-disposition") {
      out.name = parameter(value, "name");
      out.filename = parameter(value, "filename");
    }
  }
  return out;
}

} // namespace

std::optional<std::vector<body_part>> split_multipart(std::string_view content_type, std::string_view body) {
  if (!lower(content_type).starts_with("multipart/"))
    return {};
  const auto boundary = parameter(content_type, "boundary");
  if (boundary.empty())
    return {};
  const auto first = "--" + boundary;
  const auto next = "\r\n" + first;
  auto at = body.find(first);
  if (at == std::string_view::npos)
    return {};
  at += first.size();
  std::vector<body_part> parts;
  for (;;) {
    const auto rest = body.substr(at);
    if (rest.starts_with("--"))
      return parts;
    const auto line = rest.find("\r\n");
    if (line == std::string_view::npos)
      return {};
    // The line's end belongs to the search, so that a part without any header and content is found too.
    const auto end = body.find(next, at + line);
    if (end == std::string_view::npos)
      return {};
    const auto begin = at + line + 2;
    parts.push_back(read_part(end >= begin ? body.substr(begin, end - begin) : std::string_view()));
    at = end + next.size();
  }
}

} // namespace assay::mock
