#include "storage/records_detail.hpp"

#include <nlohmann/json.hpp>

namespace assay::storage {

using namespace records_detail;

namespace {

/// Of summaries that name their kind; those of evaluations are as they always were.
constexpr uint8_t version_with_kind = 2;
constexpr uint8_t finished_bit = 1;
constexpr uint8_t kind_bit = 2;

bool is_known(run_state state) noexcept {
  return state >= run_state::queued && state <= run_state::cancelled;
}

} // namespace

run_summary summary_of(const run_record& run) {
  const auto kind = run.spec.kind == run_kind::llm_batch ? run_kind::llm_batch : run_kind::evaluation;
  return {run.spec.id, run.state, run.spec.owner, run.spec.model, run.spec.created_at, run.finished_at, kind};
}

// -- writing -----------------------------------------------------------------------------------------------

std::string_view record_encoder::run(const run_record& record) {
  // Error texts may hold any bytes; a writer that throws on one of them would take the farm down.
  sealer_.begin(record_version)
      .append(nlohmann::json(record).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  return sealer_.seal();
}

std::string_view record_encoder::summary(const run_summary& record) {
  const bool has_kind = record.kind != run_kind::evaluation;
  byte_writer out(sealer_.begin(has_kind ? version_with_kind : record_version));
  out.u8(static_cast<uint8_t>(record.state));
  uint8_t flags = 0;
  flags |= record.finished_at ? finished_bit : 0;
  flags |= has_kind ? kind_bit : 0;
  out.u8(flags);
  write_time(out, record.created_at);
  if (record.finished_at)
    write_time(out, *record.finished_at);
  out.text(record.owner.value);
  out.text(record.model.value);
  if (has_kind)
    out.u8(static_cast<uint8_t>(record.kind));
  return sealer_.seal();
}

std::string_view record_encoder::text(std::string_view bytes) {
  sealer_.begin(record_version).append(bytes);
  return sealer_.seal();
}

std::string_view record_encoder::versioned_document(uint64_t version, std::string_view bytes) {
  byte_writer out(sealer_.begin(record_version));
  out.varint(version);
  out.raw(bytes);
  return sealer_.seal();
}

// -- reading -----------------------------------------------------------------------------------------------

result<std::string_view> record_decoder::open(std::string_view stored, const char* what, uint8_t newest) {
  auto opened = opener_.open(stored);
  if (!opened) {
    auto error = opened.error();
    error.where = what;
    return error;
  }
  if (opened->version == 0)
    return damaged(what);
  if (opened->version > newest)
    return fault{errc::store_incompatible,
                 std::string("a stored ") + what + " was written by a newer version",
                 {},
                 "use the newer version of assay"};
  return opened->payload;
}

result<run_record> record_decoder::run(std::string_view stored) {
  const auto payload = open(stored, "run");
  if (!payload)
    return payload.error();
  try {
    return nlohmann::json::parse(*payload).get<run_record>();
  } catch (const nlohmann::json::exception& error) {
    auto value = damaged("run");
    value.where = error.what();
    return value;
  }
}

result<run_summary> record_decoder::summary(run_id run, std::string_view stored) {
  const auto payload = open(stored, "run summary", version_with_kind);
  if (!payload)
    return payload.error();
  byte_reader in(*payload);
  run_summary record;
  record.run = run;
  record.state = static_cast<run_state>(in.u8());
  if (!is_known(record.state))
    in.fail();
  const uint8_t flags = in.u8();
  record.created_at = read_time(in);
  if ((flags & finished_bit) != 0)
    record.finished_at = read_time(in);
  record.owner = user_id(std::string(in.text()));
  record.model = model_id(std::string(in.text()));
  if ((flags & kind_bit) != 0)
    record.kind = static_cast<run_kind>(in.u8());
  if (!in.complete())
    return damaged("run summary");
  return record;
}

result<std::string> record_decoder::text(std::string_view stored) {
  const auto payload = open(stored, "text");
  if (!payload)
    return payload.error();
  return std::string(*payload);
}

result<document> record_decoder::versioned_document(std::string_view stored) {
  const auto payload = open(stored, "document");
  if (!payload)
    return payload.error();
  byte_reader in(*payload);
  document record;
  record.version = in.varint();
  if (!in.ok())
    return damaged("document");
  record.bytes = in.rest();
  return record;
}

} // namespace assay::storage
