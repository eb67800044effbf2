// Files and batches as Gemini has them: a batch is a long-running operation, its requests inline or in a
// file.
#include "mock/batch_apis.hpp"
#include "mock/json_read.hpp"
#include "mock/json_text.hpp"
#include "mock/multipart.hpp"

#include <nlohmann/json.hpp>

namespace assay::mock {

namespace {

using nlohmann::json;

constexpr size_t most_lines = 200'000;
constexpr size_t most_inline = 20 * 1024 * 1024;
constexpr std::string_view file_prefix = "files/";
constexpr std::string_view batch_prefix = "batches/";

api_error invalid(std::string message) { return {400, std::move(message), "INVALID_ARGUMENT", {}, {}, {}}; }

api_error not_found() { return {404, "Requested entity was not found.", "NOT_FOUND", {}, {}, {}}; }

std::string dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

// -- files --------------------------------------------------------------------------------------------------

json file_json(const store_request& call, const stored_file& file) {
  const auto time = to_rfc3339(wall_time(seconds(file.created)));
  constexpr int64_t two_days = 172'800;
  return {{"name", file.id},
          {"displayName", file.name},
          {"mimeType", file.mime},
          {"sizeBytes", std::to_string(file.content.size())},
          {"createTime", time},
          {"updateTime", time},
          {"expirationTime", to_rfc3339(wall_time(seconds(file.created + two_days)))},
          {"uri", call.base_url + "/v1beta/" + file.id},
          {"downloadUri", call.base_url + "/v1beta/" + file.id + ":download?alt=media"},
          {"state", "ACTIVE"},
          {"source", file.purpose.empty() ? "UPLOADED" : "GENERATED"}};
}

/// What the client says of a file before it sends it.
stored_file described(const store_request& call, std::string_view text) {
  stored_file file;
  file.owner = call.owner;
  file.created = call.unix_seconds(call.now);
  const auto document = json::parse(text, nullptr, false);
  const auto inner = document.is_object() ? document.find("file") : document.end();
  if (document.is_object() && inner != document.end() && inner->is_object())
    for (const auto& [name, value] : inner->items()) {
      if (!value.is_string())
        continue;
      if (name == "displayName" || name == "display_name")
        file.name = value.get<std::string>();
      if (name == "mimeType" || name == "mime_type")
        file.mime = value.get<std::string>();
    }
  return file;
}

api_result<store_answer> stored(const store_request& call, stored_file file) {
  if (file.mime.empty())
    file.mime = "application/octet-stream";
  const auto kept = call.files.add(std::move(file), file_prefix);
  if (!kept)
    return api_error{429, "The file storage quota is exceeded (simulated).", "RESOURCE_EXHAUSTED", {}, {},
                     {}};
  return store_answer{dump({{"file", file_json(call, *kept)}}), "application/json",
                      "x-goog-upload-status: final\r\n"};
}

/// A part of a resumable upload.
api_result<store_answer> continued(const store_request& call, std::string_view upload) {
  const auto command = call.request.header("x-goog-upload-command");
  if (command.find("upload") != std::string_view::npos && !call.files.append(upload, call.request.body))
    return not_found();
  if (command.find("finalize") == std::string_view::npos)
    return store_answer{"", "text/plain", "x-goog-upload-status: active\r\n"};
  auto file = call.files.take_upload(upload);
  if (!file)
    return not_found();
  return stored(call, std::move(*file));
}

api_result<store_answer> upload(const store_request& call) {
  if (const auto id = query_value(call.query, "upload_id"))
    return continued(call, *id);
  if (call.request.header("x-goog-upload-command") == "start") {
    auto file = described(call, call.request.body);
    if (const auto mime = call.request.header("x-goog-upload-header-content-type"); file.mime.empty())
      file.mime = mime;
    const auto id = call.files.begin_upload(std::move(file));
    return store_answer{"", "text/plain",
                        "x-goog-upload-status: active\r\nx-goog-upload-url: " + call.base_url
                            + "/upload/v1beta/files?upload_id=" + id + "&upload_protocol=resumable\r\n"};
  }
  const auto type = call.request.header("content-type");
  if (const auto parts = split_multipart(type, call.request.body)) {
    if (parts->size() != 2)
      return invalid("A multipart upload has two parts: a description and the file.");
    auto file = described(call, parts->front().content);
    file.content = parts->back().content;
    if (file.mime.empty())
      file.mime = parts->back().content_type;
    return stored(call, std::move(file));
  }
  stored_file file = described(call, "{}");
  file.mime = type;
  file.content = call.request.body;
  return stored(call, std::move(file));
}

// -- batches ------------------------------------------------------------------------------------------------

const char* state_of(batch_phase phase) {
  switch (phase) {
  case batch_phase::validating:
    return "BATCH_STATE_PENDING";
  case batch_phase::running:
  case batch_phase::finalizing:
    return "BATCH_STATE_RUNNING";
  case batch_phase::completed:
    return "BATCH_STATE_SUCCEEDED";
  case batch_phase::failed:
    return "BATCH_STATE_FAILED";
  case batch_phase::cancelling:
  case batch_phase::cancelled:
    return "BATCH_STATE_CANCELLED";
  case batch_phase::expired:
    break;
  }
  return "BATCH_STATE_EXPIRED";
}

/// `"response":{...}` or `"error":{...}`
std::string outcome_member(const line_outcome& outcome) {
  if (outcome.status == 0)
    return R"("error":{"code":1,"message":"The request was not executed."})";
  if (outcome.status < 400)
    return "\"response\":" + outcome.body;
  // Of the error body, what stands under "error".
  const auto error = json::parse(outcome.body, nullptr, false);
  return "\"error\":"
         + (error.is_object() && error.contains("error") ? dump(error["error"]) : std::string("{}"));
}

std::string inlined_responses(const batch_view& view) {
  const auto& job = view.job;
  std::string out = "{\"inlinedResponses\":[";
  const char* comma = "";
  for (size_t i = 0; i < job.lines.size(); ++i) {
    out.append(comma).append("{").append(outcome_member(job.outcomes[i]));
    if (!job.lines[i].metadata.empty())
      out.append(",\"metadata\":").append(job.lines[i].metadata);
    out += '}';
    comma = ",";
  }
  return out += "]}";
}

std::string batch_body(const store_request& call, const batch_view& view) {
  const auto& job = view.job;
  const bool over = is_over(view.phase);
  const bool has_output = view.phase == batch_phase::completed || view.phase == batch_phase::expired;
  const bool embeds = job.op == operation::embed;
  const auto count = [](size_t n) { return std::to_string(n); };
  json metadata{
      {"@type", embeds ? "type.googleapis.com/google.ai.generativelanguage.v1main.EmbedContentBatch"
                       : "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch"},
      {"model", "models/" + job.model},
      {"displayName", job.name},
      {"createTime", call.rfc3339(job.created)},
      {"updateTime", call.rfc3339(over ? view.over_at : call.now)},
      {"batchStats",
       {{"requestCount", count(job.lines.size())},
        {"successfulRequestCount", count(view.answered)},
        {"failedRequestCount", count(view.errored)},
        {"pendingRequestCount", count(job.lines.size() - view.answered - view.errored)}}},
      {"state", state_of(view.phase)},
      {"name", job.id},
      {"simulated", true}};
  if (over)
    metadata["endTime"] = call.rfc3339(view.over_at);
  std::string output;
  if (has_output && !job.output_file.empty())
    output = "{\"responsesFile\":\"" + job.output_file + "\"}";
  else if (has_output && job.input_file.empty())
    output = (embeds ? "{\"inlinedEmbedContentResponses\":" : "{\"inlinedResponses\":")
             + inlined_responses(view) + "}";
  auto shown = dump(metadata);
  if (!output.empty()) {
    shown.pop_back();
    shown += ",\"output\":" + output + "}";
  }
  std::string out = "{\"name\":\"" + job.id + "\",\"metadata\":" + shown;
  if (over)
    out += ",\"done\":true";
  if (!output.empty())
    out += ",\"response\":" + output;
  if (view.phase == batch_phase::failed)
    out += ",\"error\":{\"code\":3,\"message\":\"The input file is not valid.\"}";
  return out += "}";
}

/// `metadata.key`, when it is a text.
std::string key_in(const std::optional<simdjson::dom::element>& metadata) {
  using namespace reading;
  const auto fields = object_of(metadata);
  return std::string(fields ? text_of(member(*fields, "key")).value_or("") : "");
}

std::optional<api_error> read_inline(const simdjson::dom::array& list, batch_job& job) {
  using namespace reading;
  for (const auto item : list) {
    const auto entry = object_of(item);
    const auto request = entry ? member(*entry, "request") : std::nullopt;
    if (!object_of(request))
      return invalid("* CreateBatchRequest.batch.input_config.requests.requests["
                     + std::to_string(job.lines.size()) + "].request: request is not specified\n");
    const auto metadata = member(*entry, "metadata");
    job.lines.push_back(
        {key_in(metadata), minified(*request), metadata ? minified(*metadata) : std::string()});
  }
  return {};
}

void read_file(std::string_view text, batch_job& job) {
  using namespace reading;
  while (!text.empty() && job.lines.size() <= most_lines) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos)
      continue;
    simdjson::dom::parser parser;
    object fields;
    const bool good = parse_object(parser, line, fields);
    const auto request = good ? member(fields, "request") : std::nullopt;
    if (!object_of(request)) {
      job.problems = "[]";
      return;
    }
    job.lines.push_back({std::string(text_of(member(fields, "key")).value_or("")), minified(*request), {}});
  }
  if (job.lines.empty() || job.lines.size() > most_lines)
    job.problems = "[]";
}

api_result<store_answer> create(const store_request& call) {
  using namespace reading;
  simdjson::dom::parser parser;
  object fields;
  if (!parse_object(parser, call.request.body, fields))
    return invalid("Invalid JSON payload received.");
  const auto batch = object_of(member(fields, "batch"));
  const auto input = batch ? object_of(member(*batch, {"inputConfig", "input_config"})) : std::nullopt;
  if (!input)
    return invalid("* CreateBatchRequest.batch.input_config: input_config is not specified\n");
  batch_job job;
  job.owner = call.owner;
  job.protocol = wire::gemini;
  job.model = call.where.subject;
  job.op = call.where.op == operation::create_embedding_batch ? operation::embed : operation::chat;
  job.path =
      "/v1beta/models/" + job.model + (job.op == operation::embed ? ":embedContent" : ":generateContent");
  job.name = text_of(member(*batch, {"displayName", "display_name"})).value_or("");
  if (const auto name = text_of(member(*input, {"fileName", "file_name"}))) {
    job.input_file = *name;
    const auto file = call.files.find(call.owner, *name);
    if (!file)
      return not_found();
    read_file(file->content, job);
  } else {
    const auto outer = object_of(member(*input, "requests"));
    const auto list = outer ? array_of(member(*outer, "requests")) : std::nullopt;
    if (!list || list->size() == 0)
      return invalid("* CreateBatchRequest.batch.input_config.requests: requests is not specified\n");
    if (call.request.body.size() > most_inline)
      return invalid("Request payload size exceeds the limit: 20971520 bytes.");
    if (auto mistake = read_inline(*list, job))
      return *mistake;
  }
  store_answer out;
  const auto kept = call.batches.add(std::move(job), batch_prefix, call.now,
                                     [&](const batch_view& view) { out.body = batch_body(call, view); });
  if (!kept)
    return api_error{429, "Too many batches are kept (simulated).", "RESOURCE_EXHAUSTED", {}, {}, {}};
  return out;
}

/// One page of JSON texts.
template <class Items>
api_result<store_answer> page(const store_request& call, const char* member, const Items& items) {
  const auto size = query_number(call.query, "pageSize", 50);
  const auto from = query_number(call.query, "pageToken", 0);
  if (!size || !from)
    return invalid("Invalid page size or token.");
  std::string out = "{\"" + std::string(member) + "\":[";
  size_t i = std::min<size_t>(*from, items.size());
  const auto end = std::min<size_t>(i + std::max<uint64_t>(*size, 1), items.size());
  for (const auto first = i; i < end; ++i)
    out.append(i == first ? "" : ",").append(items[i]);
  out += "]";
  if (end < items.size())
    out += ",\"nextPageToken\":\"" + std::to_string(end) + "\"";
  return store_answer{out + "}"};
}

api_result<store_answer> list_batches(const store_request& call) {
  std::vector<std::string> items;
  call.batches.list(call.owner, wire::gemini, call.now,
                    [&](const batch_view& view) { items.push_back(batch_body(call, view)); });
  return page(call, "operations", items);
}

api_result<store_answer> list_files(const store_request& call) {
  std::vector<std::string> items;
  for (const auto& file : call.files.list(call.owner))
    items.push_back(dump(file_json(call, *file)));
  return page(call, "files", items);
}

api_result<store_answer> one_batch(const store_request& call) {
  const auto id = std::string(batch_prefix) + std::string(call.where.subject);
  store_answer out;
  const auto show = [&](const batch_view& view) { out.body = batch_body(call, view); };
  const bool cancel = call.where.op == operation::cancel_batch;
  if (cancel ? !call.batches.cancel(call.owner, wire::gemini, id, call.now, show)
             : !call.batches.find(call.owner, wire::gemini, id, call.now, show))
    return not_found();
  if (call.where.op == operation::delete_batch)
    call.batches.remove(id);
  if (call.where.op != operation::get_batch)
    out.body = "{}";
  return out;
}

api_result<store_answer> one_file(const store_request& call) {
  const auto id = std::string(file_prefix) + std::string(call.where.subject);
  const auto file = call.files.find(call.owner, id);
  if (!file)
    return api_error{403,
                     "You do not have permission to access the File " + std::string(call.where.subject)
                         + " or it may not exist.",
                     "PERMISSION_DENIED",
                     {},
                     {},
                     {}};
  if (call.where.op == operation::file_content)
    return store_answer{file->content, "application/octet-stream"};
  if (call.where.op == operation::delete_file) {
    call.files.remove(call.owner, id);
    return store_answer{"{}"};
  }
  return store_answer{dump(file_json(call, *file))};
}

} // namespace

api_result<store_answer> answer_gemini_store(const store_request& call) {
  switch (call.where.op) {
  case operation::upload_file:
    return upload(call);
  case operation::list_files:
    return list_files(call);
  case operation::get_file:
  case operation::file_content:
  case operation::delete_file:
    return one_file(call);
  case operation::create_batch:
  case operation::create_embedding_batch:
    return create(call);
  case operation::list_batches:
    return list_batches(call);
  default:
    return one_batch(call);
  }
}

void close_gemini_batch(batch_job& job, batch_phase phase, file_store& files, int64_t unix_now) {
  if (job.input_file.empty() || (phase != batch_phase::completed && phase != batch_phase::expired))
    return;
  stored_file file;
  file.owner = job.owner;
  file.name = job.id;
  file.purpose = "batch_output";
  file.mime = "application/jsonl";
  file.created = unix_now;
  for (const auto i : shuffled(job.lines.size(), job.id)) {
    file.content += "{\"key\":";
    append_json_string(file.content, job.lines[i].custom_id);
    file.content.append(",").append(outcome_member(job.outcomes[i])).append("}\n");
  }
  if (const auto stored = files.add(std::move(file), std::string(file_prefix) + "batch-"))
    job.output_file = stored->id;
}

} // namespace assay::mock
