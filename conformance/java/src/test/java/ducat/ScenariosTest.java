package ducat;
class ScenariosTest { @org.junit.jupiter.api.Test void x() { System.out.println(com.stripe.Stripe.API_VERSION); } }
