#include "config/providers.hpp"
#include "tests/config/support.hpp"

namespace assay::config {
namespace {

class providers : public test::config_test {};

TEST(endpoints, AreTakenApart) {
  const auto url = parse_endpoint("HTTPS://API.Example-Host.com:8443/v1/chat/completions/");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->base_url, "https://api.example-host.com:8443/v1");
  EXPECT_EQ(url->origin, "https://api.example-host.com:8443");
  EXPECT_EQ(url->protocol, wire_protocol::openai_chat);
  EXPECT_EQ(parse_endpoint("http://h/v1")->protocol, std::nullopt);
  EXPECT_EQ(parse_endpoint("https://api.anthropic.com/v1/messages")->base_url,
            "https://api.anthropic.com/v1");
  const auto gemini = parse_endpoint("https://g/v1beta/models/gemini-2.5-pro:generateContent");
  EXPECT_EQ(gemini->protocol, wire_protocol::gemini);
  EXPECT_EQ(gemini->base_url, "https://g/v1beta");
  EXPECT_EQ(parse_endpoint("http://[::1]:8000/v1")->base_url, "http://[::1]:8000/v1");
}

TEST(endpoints, RefuseWhatIsNoPlainHttpUrl) {
  for (const auto* url : {"", "api.openai.com/v1", "ftp://h/", "file:///etc/passwd", "http://",
                          "https://u:p@h/v1", "https://h/v1?key=1", "https://h/v1#x", "http://h h/"})
    EXPECT_FALSE(parse_endpoint(url)) << url;
  EXPECT_EQ(parse_endpoint("https://user:sk-secret@h/").error().message.find("sk-secret"), std::string::npos);
}

TEST(endpoints, RefuseHostsAndPortsThatAreNone) {
  for (const auto* url : {"http://host:/v1", "http://host:", "http://[::1]:/v1"}) {
    const auto wrong = parse_endpoint(url);
    ASSERT_FALSE(wrong) << url;
    EXPECT_NE(wrong.error().message.find("no port"), std::string::npos) << wrong.error().message;
  }
  for (const auto* url :
       {"http://host:0/v1", "http://host:70000/v1", "http://host:80:90/v1", "http://:8000/v1",
        "http://h%20st/v1", "http://[::1/v1", "http:///v1", "http:/host/v1"})
    EXPECT_FALSE(parse_endpoint(url)) << url;
}

TEST_F(providers, AnAddressWithoutItsPortIsRefusedByTheNameOfItsField) {
  file("local.yaml", "providers:\n  lab: {base_url: 'http://lab:/v1', key_required: false}\n");
  const auto wrong = refused();
  EXPECT_NE(wrong.where.find("base_url"), std::string::npos) << to_string(wrong);
  EXPECT_NE(wrong.message.find("no port"), std::string::npos) << wrong.message;
}

TEST(endpoints, GetTheCustomaryPathWhereThereIsOne) {
  EXPECT_EQ(parse_provider_url("hosted", "http://h:8000/")->base_url, "http://h:8000/v1");
  EXPECT_EQ(parse_provider_url("hosted", "http://h:8000/api")->base_url, "http://h:8000/api");
  EXPECT_EQ(parse_provider_url("azure_openai", "https://r.openai.azure.com/")->base_url,
            "https://r.openai.azure.com/openai/v1");
  EXPECT_EQ(parse_provider_url("deepseek", "https://api.deepseek.com")->base_url, "https://api.deepseek.com");
}

TEST_F(providers, AreOverriddenAndAddedByConfiguration) {
  file("local.yaml", "providers:\n  openai: {base_url: 'https://eu.api.openai.com/v1', max_connections: 7}\n"
                     "  google: {api_key: g}\n"
                     "  lab: {base_url: 'http://lab:8000/v1', key_required: false, rate_limits: "
                     "{requests_per_second: 9}}\n");
  const auto values = loaded();
  EXPECT_EQ(find_provider(values, provider_id("openai"))->base_url, "https://eu.api.openai.com/v1");
  EXPECT_EQ(find_provider(values, provider_id("openai"))->max_connections, 7U);
  EXPECT_EQ(find_provider(values, provider_id("gemini"))->key.reveal(), "g")
      << "an alias names the built-in one";
  EXPECT_EQ(find_provider(values, provider_id("google")), nullptr);
  const auto* lab = find_provider(values, provider_id("lab"));
  ASSERT_NE(lab, nullptr);
  EXPECT_EQ(lab->limits.requests_per_second, 9U);
  EXPECT_TRUE(check_usable(*lab));
  EXPECT_TRUE(find_provider(values, provider_id("dashscope"))->quota_429_is_throttle);
  EXPECT_FALSE(find_provider(values, provider_id("openai"))->quota_429_is_throttle);
}

TEST_F(providers, HaveBatchApisWhereTheVendorsHaveThem) {
  file("local.yaml", "providers:\n"
                     "  deepseek: {batch: {available: true, price_factor: 0.7, window: 12h}}\n"
                     "  anthropic: {base_url: 'https://proxy.example/v1'}\n"
                     "  gemini: {batch: {available: false}}\n");
  const auto all = loaded();
  const auto terms = [&](std::string_view id) {
    return find_provider(all, provider_id(std::string(id)))->batches;
  };
  EXPECT_TRUE(terms("openai").available);
  EXPECT_EQ(terms("openai").price_factor, 0.5);
  EXPECT_EQ(terms("openai").window, std::chrono::hours{24});
  EXPECT_TRUE(terms("mock").available);
  EXPECT_FALSE(terms("anthropic").available) << "nobody knows what stands behind another address";
  EXPECT_FALSE(terms("gemini").available);
  EXPECT_FALSE(terms("openrouter").available);
  EXPECT_TRUE(terms("deepseek").available);
  EXPECT_EQ(terms("deepseek").price_factor, 0.7);
  EXPECT_EQ(terms("deepseek").window, std::chrono::hours{12});
}

TEST_F(providers, WithoutAnAddressSayWhatIsMissing) {
  const auto values = loaded();
  const auto usable = check_usable(*find_provider(values, provider_id("hosted")));
  ASSERT_FALSE(usable);
  EXPECT_TRUE(has(usable.error().hint, "HOSTED_LLM_API_URL"));
}

TEST_F(providers, AddressesComeFromTheEnvironment) {
  request.environment = {{"OPENAI_BASE_URL", "http://10.0.0.6:8000/v1"},
                         {"HOSTED_LLM_API_URL", "http://10.0.0.5:8000/v1"},
                         {"ASSAY_MOCK_URL", "http://127.0.0.1:9/v1"}};
  const auto values = loaded();
  EXPECT_EQ(find_provider(values, provider_id("openai"))->base_url, "http://10.0.0.6:8000/v1");
  EXPECT_EQ(find_provider(values, provider_id("hosted"))->base_url, "http://10.0.0.5:8000/v1");
  EXPECT_EQ(find_provider(values, provider_id("mock"))->base_url, "http://127.0.0.1:9/v1");
}

TEST_F(providers, AzureSpeaksOpenAisProtocolAtItsNewerAddress) {
  request.environment = {{"AZURE_OPENAI_ENDPOINT", "https://r.openai.azure.com"},
                         {"AZURE_OPENAI_API_KEY", "k"}};
  auto values = loaded();
  EXPECT_TRUE(check_usable(*find_provider(values, provider_id("azure_openai"))));
  EXPECT_EQ(find_provider(values, provider_id("azure_openai"))->protocol, wire_protocol::openai_chat);
  request.environment["AZURE_OPENAI_ENDPOINT"] = "https://r.openai.azure.com/openai/deployments/d";
  values = loaded();
  EXPECT_TRUE(check_usable(*find_provider(values, provider_id("azure_openai"))));
  EXPECT_EQ(find_provider(values, provider_id("azure_openai"))->protocol, wire_protocol::azure_openai);
}

TEST_F(providers, SpeakTheirOwnProtocolUnlessAddressOrSettingSayOtherwise) {
  const auto after = [&](const std::string& text) {
    file("local.yaml", text);
    return loaded();
  };
  const auto spoken = [](const settings& values, const char* id) {
    const auto* found = find_provider(values, provider_id(id));
    return std::pair(found->protocol, found->base_url);
  };
  const std::string google = "https://generativelanguage.googleapis.com/v1beta";
  EXPECT_EQ(spoken(loaded(), "anthropic"),
            std::pair(wire_protocol::anthropic, std::string("https://api.anthropic.com/v1")));
  EXPECT_EQ(spoken(loaded(), "gemini"), std::pair(wire_protocol::gemini, google));
  EXPECT_EQ(spoken(loaded(), "deepseek").first, wire_protocol::openai_chat);
  EXPECT_EQ(spoken(after("providers: {gemini: {protocol: openai_chat}}\n"), "gemini"),
            std::pair(wire_protocol::openai_chat, google + "/openai"));
  EXPECT_EQ(spoken(after("providers: {gemini: {base_url: '" + google + "/openai'}}\n"), "gemini"),
            std::pair(wire_protocol::openai_chat, google + "/openai"));
  EXPECT_EQ(spoken(after("providers: {anthropic: {base_url: 'http://h/v1'}}\n"), "anthropic"),
            std::pair(wire_protocol::anthropic, std::string("http://h/v1")));
  EXPECT_EQ(
      spoken(after("providers: {anthropic: {base_url: 'https://api.deepseek.com/anthropic'}}\n"), "anthropic")
          .first,
      wire_protocol::anthropic);
  EXPECT_EQ(spoken(after("providers: {anthropic: {base_url: 'https://openrouter.ai/api/v1'}}\n"), "anthropic")
                .first,
            wire_protocol::openai_chat);
  EXPECT_EQ(spoken(after("providers: {lab: {base_url: 'http://h/v1', protocol: gemini}}\n"), "lab").first,
            wire_protocol::gemini);
}

TEST_F(providers, AVersionMeansAzuresClassicAddress) {
  file("local.yaml", "providers:\n  azure_openai: {base_url: 'https://r.openai.azure.com', "
                     "api_version: 2024-06-01}\n");
  const auto values = loaded();
  const auto* azure = find_provider(values, provider_id("azure_openai"));
  EXPECT_EQ(azure->base_url, "https://r.openai.azure.com/openai");
  EXPECT_EQ(azure->protocol, wire_protocol::azure_openai);
  EXPECT_EQ(azure->api_version, "2024-06-01");
  EXPECT_EQ(azure->dialect, api_dialect::azure);
}

TEST_F(providers, SpeakTheDialectOfTheirName) {
  file("local.yaml", "providers:\n  ollama: {base_url: 'http://127.0.0.1:11434/v1', key_required: false}\n"
                     "  vllm: {base_url: 'http://10.0.0.5:8000'}\n"
                     "  lab: {base_url: 'http://lab:8000/v1', dialect: llama_factory}\n"
                     "  plain: {base_url: 'http://plain:8000/v1'}\n"
                     "  qwen: {base_url: 'https://dashscope-intl.aliyuncs.com/compatible-mode/v1'}\n");
  const auto values = loaded();
  const auto dialect = [&](const char* id) { return find_provider(values, provider_id(id))->dialect; };
  EXPECT_EQ(dialect("ollama"), api_dialect::ollama);
  EXPECT_EQ(dialect("hosted"), api_dialect::vllm);
  EXPECT_EQ(dialect("lab"), api_dialect::llama_factory);
  EXPECT_EQ(dialect("plain"), api_dialect::compatible);
  EXPECT_EQ(dialect("dashscope"), api_dialect::dashscope);
  EXPECT_EQ(dialect("openai"), api_dialect::openai);
  EXPECT_EQ(dialect("deepseek"), api_dialect::deepseek);
  EXPECT_EQ(dialect("openrouter"), api_dialect::openrouter);
  EXPECT_EQ(dialect("mock"), api_dialect::compatible);
}

TEST_F(providers, AtAnotherAddressOpenAiIsAnyServer) {
  request.environment = {{"OPENAI_BASE_URL", "http://gateway.example:4000/v1"}};
  EXPECT_EQ(find_provider(loaded(), provider_id("openai"))->dialect, api_dialect::compatible);
  request.environment = {{"OPENAI_BASE_URL", "https://eu.api.openai.com/v1"}};
  EXPECT_EQ(find_provider(loaded(), provider_id("openai"))->dialect, api_dialect::openai);
}

TEST_F(providers, AnUnknownDialectIsNamed) {
  const auto wrong = refused("providers:\n  lab:\n    base_url: http://lab:8000/v1\n    dialect: olama\n");
  EXPECT_EQ(wrong.where, "config/local.yaml:4 providers.lab.dialect");
  EXPECT_TRUE(has(wrong.hint, "ollama"));
}

TEST_F(providers, AWrongAddressIsNamed) {
  EXPECT_EQ(refused("providers:\n  lab:\n    base_url: lab:8000\n").where,
            "config/local.yaml:3 providers.lab.base_url");
}

} // namespace
} // namespace assay::config
