#include "storage/write_batch.hpp"

namespace assay::storage {

namespace {

// What one row costs besides its texts, about.
constexpr size_t row_overhead = 256;

size_t text_bytes(const response_record& record) noexcept {
  size_t bytes = record.prompt.size() + record.answer.size() + record.target.size()
                 + record.served_model.size() + record.request_id.size() + record.error_message.size();
  for (const auto& failure : record.failures)
    bytes += failure.message.size() + sizeof failure;
  return bytes;
}

size_t text_bytes(const sample_record& record) noexcept {
  size_t bytes = 0;
  for (const auto& score : record.scores)
    bytes += score.extracted.size() + sizeof score;
  return bytes;
}

size_t text_bytes(const run_record& record) noexcept {
  size_t bytes = record.spec.metadata.size() + record.spec.requested.size();
  for (const auto& task : record.spec.tasks)
    bytes += task.definition.size() + row_overhead;
  return bytes;
}

fault too_large(const char* what, size_t bytes) {
  return {errc::too_large,
          std::string(what) + " of " + std::to_string(bytes) + " bytes is too large for the store",
          {},
          "at most " + std::to_string(max_text_bytes) + " bytes"};
}

} // namespace

size_t row_count(const write_batch& batch) noexcept {
  return batch.responses.size() + batch.samples.size() + batch.runs.size() + batch.events.size()
         + batch.results.size() + batch.documents.size() + batch.erased_runs.size()
         + batch.redacted_runs.size();
}

size_t byte_count(const write_batch& batch) noexcept {
  size_t bytes = row_count(batch) * row_overhead;
  for (const auto& record : batch.responses)
    bytes += text_bytes(record);
  for (const auto& record : batch.samples)
    bytes += text_bytes(record);
  for (const auto& record : batch.runs)
    bytes += text_bytes(record);
  for (const auto& record : batch.events)
    bytes += record.data.size();
  for (const auto& [run, text] : batch.results)
    bytes += text.size();
  for (const auto& write : batch.documents)
    bytes += write.key.size() + (write.bytes ? write.bytes->size() : 0) + write.condition.bytes.size();
  return bytes;
}

result<void> validate(const write_batch& batch) {
  for (const auto& record : batch.responses)
    if (const size_t bytes = text_bytes(record); bytes > max_text_bytes)
      return too_large("an answer", bytes);
  for (const auto& record : batch.samples)
    if (const size_t bytes = text_bytes(record); bytes > max_text_bytes)
      return too_large("a sample", bytes);
  for (const auto& record : batch.runs) {
    if (record.spec.id.empty())
      return fault{errc::invalid_argument, "a run without id cannot be stored", "runs", {}};
    if (const size_t bytes = text_bytes(record); bytes > max_text_bytes)
      return too_large("a run", bytes);
  }
  for (const auto& record : batch.events) {
    if (record.type == event_type::evaluation_progress || record.type == event_type::sample_completed)
      return fault{errc::invalid_argument, "events of this type are not stored", "events", {}};
    if (record.data.size() > max_text_bytes)
      return too_large("an event", record.data.size());
  }
  for (const auto& [run, text] : batch.results)
    if (text.size() > max_text_bytes)
      return too_large("a result", text.size());
  for (const auto& write : batch.documents) {
    if (!holds_documents(write.where))
      return fault{
          errc::invalid_argument, "this table holds no documents", std::string(to_string(write.where)), {}};
    if (write.key.empty() || write.key.size() > max_document_key)
      return fault{errc::invalid_argument,
                   "the key of a document has 1 to 511 bytes",
                   std::string(to_string(write.where)),
                   {}};
    if (write.bytes && write.bytes->size() > max_text_bytes)
      return too_large("a document", write.bytes->size());
  }
  return {};
}

} // namespace assay::storage
