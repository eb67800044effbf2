#include "storage/model_configurations.hpp"

#include <utility>

namespace assay::storage {

using configurations::stored_configuration;

result<std::optional<present_configuration>> find_configuration(snapshot& view, std::string_view id) {
  std::optional<present_configuration> out;
  auto found = view.find_document(table::models, configurations::head_key(id));
  if (!found)
    return found.error();
  if (!*found)
    return out;
  auto value = configurations::from_text((*found)->bytes);
  if (!value)
    return value.error();
  out = present_configuration{std::move(*value), std::move((*found)->bytes)};
  return out;
}

result<std::optional<stored_configuration>> find_configuration_version(snapshot& view, std::string_view id,
                                                                       uint64_t version) {
  std::optional<stored_configuration> out;
  auto found = view.find_document(table::models, configurations::version_key(id, version));
  if (!found)
    return found.error();
  if (!*found)
    return out;
  auto value = configurations::from_text((*found)->bytes);
  if (!value)
    return value.error();
  out = std::move(*value);
  return out;
}

result<std::vector<stored_configuration>> list_configurations(snapshot& view) {
  std::vector<stored_configuration> out;
  document_query query;
  query.prefix = configurations::head_prefix();
  query.limit = max_page_rows;
  do {
    auto page = view.page_documents(table::models, query);
    if (!page)
      return page.error();
    for (const auto& [key, document] : page->documents) {
      auto value = configurations::from_text(document.bytes);
      if (!value)
        return value.error();
      if (!value->deleted)
        out.push_back(std::move(*value));
    }
    query.after = std::move(page->next);
  } while (query.after);
  return out;
}

result<std::vector<stored_configuration>> configuration_history(snapshot& view, std::string_view id,
                                                                uint64_t before, size_t limit) {
  std::vector<stored_configuration> out;
  // Versions have no gaps, so the newest can be read without the others.
  for (auto version = before; version > 1 && out.size() < limit;) {
    auto found = find_configuration_version(view, id, --version);
    if (!found)
      return found.error();
    if (*found)
      out.push_back(std::move(**found));
  }
  return out;
}

void put_configuration(write_batch& batch, const stored_configuration& next,
                       const std::optional<std::string>& present) {
  for (auto& row : configurations::rows_of(next, present))
    batch.put_document(table::models, std::move(row.key), std::move(row.text),
                       row.replaces ? document_condition::if_bytes(std::move(*row.replaces))
                                    : document_condition::if_absent());
}

} // namespace assay::storage
