#pragma once

#include "core/values/errors.hpp"
#include "protocol/messages/journal.hpp"

#include <boost/asio/awaitable.hpp>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace assay::server {

/// A page of documents by key.
struct document_list {
  std::vector<std::pair<std::string, std::string>> documents;
  std::optional<std::string> next; ///< `after` of the next page.
};

/// Where users and tokens are kept. The farm's own store, or memory in tests.
class document_store {
public:
  virtual ~document_store() = default;

  /// A point read; quick enough for the edge's own thread.
  virtual result<std::optional<std::string>> find(const std::string& table, const std::string& key) = 0;

  /// Reads a page on a reader thread.
  virtual boost::asio::awaitable<result<document_list>>
  list(std::string table, std::optional<std::string> after, size_t limit) = 0;

  /// Makes all changes durable together, or none. @returns errc::conflict when a condition does not hold.
  virtual boost::asio::awaitable<result<void>> write(std::vector<document_change> changes) = 0;
};

inline document_change put_document(const char* table, std::string key, std::string value) {
  document_change out;
  out.table = table;
  out.key = std::move(key);
  out.value = std::move(value);
  return out;
}

inline document_change erase_document(const char* table, std::string key) {
  document_change out;
  out.table = table;
  out.key = std::move(key);
  return out;
}

inline std::vector<document_change> only(document_change change) {
  std::vector<document_change> out;
  out.push_back(std::move(change));
  return out;
}

} // namespace assay::server
