// Does nothing, successfully: what spawn measures.
int main(void)
{
	return 0;
}
