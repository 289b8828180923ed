//! The pages in a browser: headless Chromium, driven by chromedriver, on three nodes.
//!
//! `TIMELINE_SCREENSHOTS=folder` keeps pictures of what the tests see.

#![allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod stage;

use fantoccini::{Client, Locator};
use stage::{Screen, Stage};

#[tokio::test]
async fn a_post_appears_on_a_followers_page_on_another_node_without_a_reload() {
    let stage = Stage::shared();
    let ada = stage.visit("ada_one", 0, Screen::Desktop).await;
    let bob = stage.visit("bob_one", 1, Screen::Desktop).await;

    bob.goto(&format!("{}/u/ada_one", stage.node(1))).await.unwrap();
    click(&bob, "#follow").await;
    shown(&bob, "//button[@id='follow'][.='Unfollow']").await;
    shown(&bob, "//*[@id='followers'][.='1']").await;
    open_timeline(stage, &bob, 1).await;
    mark(&bob).await;

    post(&ada, "<b>Hello</b> from #node1").await;
    shown(&ada, "//div[@id='tweets']/article[1][contains(., 'Hello')]").await;
    shown(&bob, "//article[contains(., '<b>Hello</b> from #node1')]").await;
    shown(&bob, "//ol[@id='written']/li[contains(., 'ada_one') and contains(., 'posts a tweet')]").await;
    // Both nodes had entries of the author, and each says how many of its own have died.
    let line = "//ol[@id='written']/li[contains(., 'ada_one') and contains(., 'posts a tweet')]//div[@class='died']";
    shown(&ada, &format!("{line}[contains(., 'died here') and not(contains(., 'no entry'))]")).await;
    shown(&bob, &format!("{line}[contains(., 'died there') and contains(., ' here') and not(contains(., ' 0 here'))]"))
        .await;
    assert!(is_marked(&bob).await, "the page was loaded again");
    stage.keep(&bob, "follower").await;

    // A like, an edit and a deletion, live as well.
    click(&bob, "article .like").await;
    shown(&ada, "//article[1]//*[@class='count'][.='1']").await;
    shown(&bob, "//article[1]//button[@aria-pressed='true']").await;
    shown(&bob, "//body[@data-live='on']").await;
    mark(&bob).await;
    click(&ada, "article .quietly").await;
    let field = ada.wait().for_element(Locator::Css("#body")).await.unwrap();
    field.clear().await.unwrap();
    field.send_keys("Goodbye").await.unwrap();
    click(&ada, "#send").await;
    shown(&ada, "//article[contains(., 'Goodbye') and contains(., 'edited')]").await;
    shown(&bob, "//article[contains(., 'Goodbye')]").await;
    click(&ada, "#delete").await;
    gone(&bob, "//article[contains(., 'Goodbye')]").await;
    assert!(is_marked(&bob).await, "the page was loaded again");

    // Nobody follows any more: the write is told, the tweet is not shown.
    bob.goto(&format!("{}/u/ada_one", stage.node(1))).await.unwrap();
    click(&bob, "#follow").await;
    shown(&bob, "//button[@id='follow'][.='Follow']").await;
    open_timeline(stage, &bob, 1).await;
    ada.goto(stage.node(0)).await.unwrap();
    post(&ada, "To nobody").await;
    shown(&ada, "//article[contains(., 'To nobody')]").await;
    shown(&bob, "//ol[@id='written']/li[1][contains(., 'ada_one') and contains(., 'posts a tweet')]").await;
    assert!(bob.find(Locator::XPath("//article[contains(., 'To nobody')]")).await.is_err());
    bob.refresh().await.unwrap();
    shown(&bob, "//*[@id='tweets']").await;
    assert!(bob.find(Locator::XPath("//article[contains(., 'To nobody')]")).await.is_err());
    stage.leave([ada, bob]).await;
}

#[tokio::test]
async fn too_many_posts_are_refused_with_a_sentence_and_the_text_is_kept() {
    let stage = Stage::shared();
    let eve = stage.visit("eve_two", 2, Screen::Phone).await;
    for number in 1..=stage::POSTS_PER_MINUTE {
        post(&eve, &format!("number {number}")).await;
        shown(&eve, &format!("//article[contains(., 'number {number}')]")).await;
    }
    post(&eve, "one too many").await;
    shown(&eve, "//*[@id='notice'][contains(., 'too often') and contains(., 'seconds')]").await;
    shown(&eve, "//textarea[.='one too many']").await;
    assert!(eve.find(Locator::XPath("//article[contains(., 'one too many')]")).await.is_err());
    stage.keep(&eve, "limit-phone").await;
    assert_fits(&eve).await;

    // Counted on all nodes together.
    eve.goto(stage.node(0)).await.unwrap();
    post(&eve, "elsewhere").await;
    shown(&eve, "//*[@id='notice'][contains(., 'too often')]").await;
    stage.leave([eve]).await;
}

#[tokio::test]
async fn the_panels_figures_move_and_its_switches_switch() {
    // Its own servers: they are stopped on the way.
    let stage = Stage::own();
    let joe = stage.visit("joe_three", 0, Screen::Desktop).await;
    shown(&joe, "//body[@data-live='on']").await;
    let before = text(&joe, "#tier0 td").await;
    mark(&joe).await;
    let reads =
        "return Promise.all([1, 2, 3].map(() => fetch('/').then(page => page.text()))).then(pages => pages.length)";
    assert_eq!(joe.execute(reads, Vec::new()).await.unwrap(), 3);
    shown(&joe, &format!("//tr[@id='tier0']/td[1][. != '{before}']")).await;
    shown(&joe, "//*[@id='hit'][. != '0.0 %']").await;
    assert!(is_marked(&joe).await, "the page was loaded again");

    post(&joe, "what does this make stale? #cache").await;
    shown(
        &joe,
        "//ol[@id='written']/li[contains(., 'joe_three') and contains(., 'node 1')]//code[contains(., 'tweet')]",
    )
    .await;
    // The page before the post had read the author's tweets and row from the cache: what depends on them has died.
    let line = "//ol[@id='written']/li[contains(., 'joe_three') and contains(., 'posts a tweet')]";
    shown(&joe, &format!("{line}//div[@class='died'][contains(., 'died here') and not(contains(., 'no entry'))]"))
        .await;
    shown(&joe, &format!("{line}//code[@class='dead'][contains(., 'member:') and contains(., '×')]")).await;
    shown(&joe, "//*[@id='trending']//a[.='#cache']").await;
    joe.refresh().await.unwrap();
    shown(&joe, "//*[@id='page-cost'][contains(., ' 0 from the database')]").await;
    stage.keep(&joe, "panel").await;

    click(&joe, "#cache_off").await;
    shown(&joe, "//*[@id='page-cost'][contains(., 'the cache is off')]").await;
    shown(&joe, "//article[contains(., 'what does this make stale?')]").await;
    click(&joe, "#slow_database").await;
    shown(&joe, "//button[@id='slow_database'][@aria-pressed='true']").await;
    click(&joe, "#cache_off").await;
    shown(&joe, "//*[@id='page-cost'][contains(., 'from memory')]").await;
    click(&joe, "#slow_database").await;
    shown(&joe, "//button[@id='slow_database'][@aria-pressed='false']").await;

    click(&joe, "#stop_redis").await;
    shown(&joe, "//button[@id='stop_redis'][.='Start Redis']").await;
    joe.goto(stage.node(0)).await.unwrap();
    shown(&joe, "//p[@id='away'][not(@hidden)]").await;
    shown(&joe, "//article[contains(., 'what does this make stale?')]").await;
    stage.keep(&joe, "redis-stopped").await;
    click(&joe, "#stop_redis").await;
    shown(&joe, "//button[@id='stop_redis'][.='Stop Redis']").await;
    shown(&joe, "//p[@id='away'][@hidden]").await;
    post(&joe, "Redis is back").await;
    shown(&joe, "//article[contains(., 'Redis is back')]").await;
    stage.leave([joe]).await;
}

#[tokio::test]
async fn every_page_fits_a_phone() {
    let stage = Stage::shared();
    let mia = stage.open(2, Screen::Phone).await;
    stage.keep(&mia, "sign-in-phone").await;
    assert_fits(&mia).await;
    stage.sign_in(&mia, "mia_four").await;
    for (path, name) in [("/", "timeline-phone"), ("/u/user1", "profile-phone"), ("/t/1", "tweet-phone")] {
        mia.goto(&format!("{}{path}", stage.node(2))).await.unwrap();
        shown(&mia, "//header").await;
        stage.keep(&mia, name).await;
        assert_fits(&mia).await;
    }
    stage.leave([mia]).await;
}

async fn post(visitor: &Client, body: &str) {
    let field = visitor.wait().for_element(Locator::Css("#body")).await.unwrap();
    field.clear().await.unwrap();
    field.send_keys(body).await.unwrap();
    click(visitor, "#send").await;
}

/// A live page may replace an element after it was found: then it is found again.
async fn click(visitor: &Client, css: &str) {
    for _ in 0..20 {
        match visitor.wait().for_element(Locator::Css(css)).await.unwrap().click().await {
            Err(error) if error.is_stale_element_reference() => {}
            clicked => return clicked.unwrap(),
        }
    }
    panic!("{css} is replaced all the time");
}

async fn text(visitor: &Client, css: &str) -> String {
    visitor.wait().for_element(Locator::Css(css)).await.unwrap().text().await.unwrap()
}

/// Waits until the page has what the XPath describes.
async fn shown(visitor: &Client, xpath: &str) {
    let waiting = visitor.wait().at_most(stage::PATIENCE);
    if let Err(error) = waiting.for_element(Locator::XPath(xpath)).await {
        panic!("not shown: {xpath}: {error}\n{}", visitor.source().await.unwrap_or_default());
    }
}

/// Waits until the page has it no more.
async fn gone(visitor: &Client, xpath: &str) {
    shown(visitor, &format!("//body[not(.{xpath})]")).await;
}

async fn open_timeline(stage: &Stage, visitor: &Client, node: usize) {
    visitor.goto(stage.node(node)).await.unwrap();
    shown(visitor, "//body[@data-live='on']").await;
}

/// Leaves a mark that does not survive when the page is loaded again.
async fn mark(visitor: &Client) {
    visitor.execute("window.marked = true", Vec::new()).await.unwrap();
}

async fn is_marked(visitor: &Client) -> bool {
    visitor.execute("return window.marked === true", Vec::new()).await.unwrap() == true
}

/// Nothing sticks out at the side.
async fn assert_fits(visitor: &Client) {
    let widths = "return [document.documentElement.scrollWidth, window.innerWidth]";
    let widths = visitor.execute(widths, Vec::new()).await.unwrap();
    assert!(widths[0].as_u64() <= widths[1].as_u64(), "{widths}");
    assert_eq!(widths[1], 390);
}
