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
  request.environment["AZURE_OPENAI_ENDPOINT"] = "https://r.openai.azure.com/openai/deployments/d";
  values = loaded();
  EXPECT_EQ(check_usable(*find_provider(values, provider_id("azure_openai"))).error().code,
            errc::unsupported);
}

TEST_F(providers, AWrongAddressIsNamed) {
  EXPECT_EQ(refused("providers:\n  lab:\n    base_url: lab:8000\n").where,
            "config/local.yaml:3 providers.lab.base_url");
}

} // namespace
} // namespace assay::config
